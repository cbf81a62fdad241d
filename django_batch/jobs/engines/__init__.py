"""What gets chunks to workers. It may lose and double them, because workers meet in the database."""
