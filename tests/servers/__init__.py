"""Batches over real servers, which `django-batch[servers]` installs."""
