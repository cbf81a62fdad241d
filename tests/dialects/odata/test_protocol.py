"""OData's errors, versions and preferences."""

import json

import pytest

from django_batch.dialects.odata.protocol import continues_on_error, error_body, odata_version
from django_batch.errors import DuplicateId, FailedDependency, Malformed, NotRun, UnknownDependency, refusal

# an error, and the body that reports it
ERRORS = [
    (Malformed("Not JSON."), {"code": "Malformed", "message": "Not JSON."}),
    (
        FailedDependency("Not run.", pointer="/requests/1"),
        {"code": "FailedDependency", "message": "Not run.", "target": "/requests/1"},
    ),
    (NotRun("Ü", pointer="/requests/1/path"), {"code": "NotRun", "message": "Ü", "target": "/requests/1/url"}),
]
# the value of `Prefer`, and whether a batch goes on
PREFERENCES = [
    ("", None),
    ("continue-on-error", True),
    ("continue-on-error=true", True),
    ("continue-on-error=false", False),
    ("odata.continue-on-error=false", False),
    ("odata.continue-on-error", True),
    ("Continue-On-Error = False", False),
    ('continue-on-error="false"', False),
    ("continue-on-error=false; x=y", False),
    ("respond-async, continue-on-error=false", False),
    ("respond-async,,continue-on-error=false,", False),
    ("continue-on-error=false, continue-on-error", False),
    ('odata.include-annotations="a,continue-on-error=false,\\"b"', None),
    ("return=minimal; continue-on-error=false", None),
    ("xcontinue-on-error=false", None),
    ('"', None),
    ("=false", None),
]
# headers, and the version of the answer if the default is "4.01"
VERSIONS = [
    ({}, "4.01"),
    ({"OData-Version": "4.0"}, "4.0"),
    ({"OData-Version": "4.01"}, "4.01"),
    ({"OData-MaxVersion": "4.0"}, "4.0"),
    ({"OData-Version": "4.0", "OData-MaxVersion": "4.01"}, "4.01"),
    ({"OData-Version": "4.01", "OData-MaxVersion": " 4.0 "}, "4.0"),
    ({"OData-Version": "5.0"}, "4.01"),
    ({"OData-MaxVersion": "x\r\ny"}, "4.01"),
]


@pytest.mark.parametrize(("error", "inner"), ERRORS)
def test_error_has_the_form_of_odata(error, inner):
    assert json.loads(error_body(error)) == {"error": {**inner, "details": [inner]}}


def test_error_tells_of_every_fault():
    faults = [
        DuplicateId("Twice.", pointer="/requests/1/id"),
        UnknownDependency("Unknown.", pointer="/requests/2/depends_on"),
        Malformed("Not adjacent.", pointer="/requests/3/atomicity_group"),
    ]
    assert json.loads(error_body(refusal(faults))) == {
        "error": {
            "code": "DuplicateId",
            "message": "3 errors, the first: Twice.",
            "target": "/requests/1/id",
            "details": [
                {"code": "DuplicateId", "message": "Twice.", "target": "/requests/1/id"},
                {"code": "UnknownDependency", "message": "Unknown.", "target": "/requests/2/dependsOn"},
                {"code": "Malformed", "message": "Not adjacent.", "target": "/requests/3/atomicityGroup"},
            ],
        }
    }


@pytest.mark.parametrize(("prefer", "goes_on"), PREFERENCES)
@pytest.mark.parametrize("default", [True, False])
def test_preference_decides_whether_a_batch_goes_on(prefer, goes_on, default):
    assert continues_on_error({"Prefer": prefer}, default=default) == (default if goes_on is None else goes_on)


@pytest.mark.parametrize("default", [True, False])
def test_batch_without_preferences_does_what_is_usual(default):
    assert continues_on_error({}, default=default) == default


@pytest.mark.parametrize(("headers", "version"), VERSIONS)
def test_answer_has_the_version_that_was_asked_for(headers, version):
    assert odata_version(headers, default="4.01") == version
