"""How Sphinx builds these pages. Nothing is fetched: they build offline."""

from importlib.metadata import version as version_of

project = "django_batch"
author = "django_batch contributors"
copyright = author
version = release = version_of("django-batch")

extensions = ["myst_parser"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

suppress_warnings = ["misc.highlighting_failure"]  # a multipart body is no HTTP to Pygments, and shown all the same

html_theme = "furo"
html_title = f"{project} {release}"
exclude_patterns = ["_build"]
