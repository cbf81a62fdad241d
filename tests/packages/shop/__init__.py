"""The site that the packages are installed on: orders and their lines."""
