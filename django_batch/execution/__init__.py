"""Runs batches. Only this package builds requests, and knows transactions and threads."""
