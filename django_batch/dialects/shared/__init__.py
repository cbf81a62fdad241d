"""The building blocks that several dialects share: JSON texts and items, forms, MIME and HTTP messages."""
