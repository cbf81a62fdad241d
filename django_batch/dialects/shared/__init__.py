"""What several dialects are made of: JSON texts and items, forms, MIME and HTTP messages."""
