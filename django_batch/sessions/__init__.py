"""Session engines that look up the session of a batch once."""
