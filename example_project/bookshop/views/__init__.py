"""The views of the bookshop, one module for each part of it."""
