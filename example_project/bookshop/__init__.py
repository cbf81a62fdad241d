"""The bookshop: its catalogue, its customers' orders and reviews."""
