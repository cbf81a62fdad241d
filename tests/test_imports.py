"""What importing the package does to a process that has nothing else in it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SITE = """
import sys

sys.modules["drf_spectacular"] = None  # where it is installed, it loads REST framework's test client by itself
import django
from django.conf import settings

APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework"]
settings.configure(INSTALLED_APPS=[*APPS, "rest_framework.authtoken", "django_batch"], ROOT_URLCONF="site_urls")
django.setup()
"""
# `testing` and `pytest_plugin` are for tests. Integrations need packages of others, and drf-spectacular itself loads
# REST framework's test client. The models and the admin of `jobs` need their apps.
IMPORT_ALL = """
import importlib, pathlib, sys
import django_batch

OTHERS = ("integrations", "jobs", "openapi.spectacular")
root = pathlib.Path(django_batch.__file__).parent
for file in sorted(root.rglob("*.py")):
    name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix("__init__").rstrip(".")
    if name not in ("", "testing", "pytest_plugin") and not name.startswith(OTHERS):
        importlib.import_module(f"django_batch.{name}")
"""


def run(code: str) -> str:
    """What `code` prints in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    "name", ["DEFAULT_ALLOWED_HEADERS", "DEFAULT_GROUP_EXEMPT", "DEFAULT_CARRIED_CONTEXT", "SETTINGS"]
)
def test_settings_file_can_import_a_default_without_loading_the_settings(name):
    code = f"from django_batch.conf import {name}; from django.conf import settings; print(settings.configured)"
    assert run(code) == "False"


def test_settings_file_that_imports_a_default_is_one_that_a_site_can_have(tmp_path):
    (tmp_path / "site_settings.py").write_text(
        "from django_batch.conf import DEFAULT_ALLOWED_HEADERS\n"
        'BATCH = {"ALLOWED_HEADERS": [*DEFAULT_ALLOWED_HEADERS, "X-Shelf"]}\n'
        'INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_batch"]\n'
    )
    code = (
        f"import os, sys; sys.path.append({str(tmp_path)!r}); os.environ['DJANGO_SETTINGS_MODULE'] = 'site_settings'\n"
        "import django; django.setup()\n"
        "from django_batch.checks import check_settings; from django_batch.views import BatchView\n"
        "print(check_settings(), BatchView.allowed_headers[-1])"
    )
    assert run(code) == "[] X-Shelf"


def test_no_module_loads_what_is_for_tests():
    found = "print([name for name in sys.modules if name.split('.')[0] == 'unittest' or name == 'django.test'])"
    assert run(SITE + IMPORT_ALL + found) == "[]"
