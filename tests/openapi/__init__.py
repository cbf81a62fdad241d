"""How batches are described by tools that describe APIs."""
