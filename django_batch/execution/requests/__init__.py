"""From a sub-request to Django's own request, in a clean context."""
