"""What is loaded once for a batch, by the classes that a site names for it."""
