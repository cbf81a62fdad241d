"""The request that carries a batch, and the response that carries its answers."""
