"""What some packages need in order to tell sub-requests apart. Nothing here is imported unless a setting names it."""
