"""How Sphinx builds these pages. Nothing is fetched: they build offline."""

from importlib.metadata import version as version_of

import django
from django.conf import settings

# Autodoc imports the package, and its views are classes of REST framework, which reads settings when it is imported.
settings.configure(
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "django_batch",
        "django_batch.jobs",
    ]
)
django.setup()

project = "django_batch"
author = "django_batch contributors"
copyright = author
version = release = version_of("django-batch")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

default_role = "code"  # docstrings write names in single backticks, as these pages do
autodoc_mock_imports = ["sentry_sdk"]  # what the integrations import need not be installed here
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
maximum_signature_line_length = 80

copybutton_prompt_text = ">>> |... "  # only the code of an interactive session is copied
copybutton_prompt_is_regexp = False
copybutton_exclude = ".linenos, .gp, .go"

suppress_warnings = ["misc.highlighting_failure"]  # Pygments cannot read a multipart body as HTTP; it is shown anyway

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
exclude_patterns = ["_build"]
