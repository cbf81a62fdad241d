"""The first law, made to run: the same calls alone and in a batch, and all that can be told apart afterwards."""
