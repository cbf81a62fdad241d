"""A small bookshop whose API can be called one request at a time, or in batches."""
