"""Looks up sessions, users and tokens once for a batch, for the classes that a site names in its settings."""
