"""The other batch packages of the index, as far as they are installed.

drf-batch-requests runs as it is. django-batch-requests was written for Django 1.8 and Python 2; what it needs on
today's is added here from outside.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

from django import urls
from django.http import HttpResponse

DRF_BATCH_REQUESTS = find_spec("drf_batch_requests") is not None
DJANGO_BATCH_REQUESTS = find_spec("batch_requests") is not None


def views() -> dict[str, Callable[..., HttpResponse]]:
    """URL -> the batch view that answers there."""
    found = {}
    if DRF_BATCH_REQUESTS:
        found["drf-batch-requests/"] = import_module("drf_batch_requests.views").BatchView.as_view()
    if DJANGO_BATCH_REQUESTS:
        _modernize()
        module = import_module("batch_requests.views")
        module.json = SimpleNamespace(loads=json.loads, dumps=_dumps)
        found["django-batch-requests/"] = module.handle_batch_requests
    return found


def _modernize() -> None:
    """Give back what Django had: two modules under old names, and a response's headers as a dict of pairs."""
    importlib = ModuleType("django.utils.importlib")
    importlib.import_module = import_module
    sys.modules[importlib.__name__] = importlib
    sys.modules["django.core.urlresolvers"] = urls
    HttpResponse._headers = property(lambda response: response.headers._store)


def _dumps(value: object) -> str:
    """JSON, in which the bytes of a body are text, as they were in Python 2."""
    return json.dumps(value, default=bytes.decode)
