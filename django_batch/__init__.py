"""One HTTP request carries many: each is answered by the site's own views, alone or all or nothing."""

__version__ = "0.1.0"
