"""One module for each of the dialects of django_batch: its schemas, and examples that the tests send."""
