"""What drf-spectacular needs to describe batches. The app imports it where drf-spectacular is installed."""
