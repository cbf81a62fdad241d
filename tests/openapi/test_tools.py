"""What other tools make of the schema, and of the views: drf-yasg, openapi-spec-validator and schemathesis."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from django.urls import path

from django_batch.dialects.base import Dialect
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.views import BatchView
from tests.markdown import ROOT
from tests.openapi.schemas import schema_of
from tests.openapi.tools import tool

CASES = 300


@pytest.mark.parametrize("version", ["3.0.3", "3.1.1", "3.2.0"])
@pytest.mark.parametrize("urls", ["tests.openapi.one_url", "tests.openapi.several_urls"])
def test_schema_passes_another_validator(urls: str, version: str) -> None:
    validator = tool("openapi_spec_validator")
    validator.validate(schema_of(urls, version))


@pytest.mark.parametrize(
    ("dialect", "media_type"), [(NativeDialect, "application/json"), (GoogleMultipart, "multipart/mixed")]
)
def test_drf_yasg_shows_what_is_read(dialect: type[Dialect], media_type: str) -> None:
    tool("drf_yasg")
    from drf_yasg import openapi
    from drf_yasg.generators import OpenAPISchemaGenerator

    generator = OpenAPISchemaGenerator(
        openapi.Info(title="Shop", default_version="1"), patterns=[path("batch/", BatchView.as_view(dialect=dialect))]
    )
    schema = generator.get_schema(public=True)
    operation = schema.paths["/batch/"].post  # which leaves out what holds for the whole schema
    # Beside another type, it leaves out forms.
    assert operation.get("consumes", schema.consumes) == [media_type]


def test_generated_batches_are_answered_as_the_schema_allows() -> None:
    tool("schemathesis")
    command = [sys.executable, "-m", "tests.openapi.fuzz", str(CASES)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    [sent] = re.findall(r"(\d+) generated, \1 passed", done.stdout)
    assert int(sent) >= CASES
