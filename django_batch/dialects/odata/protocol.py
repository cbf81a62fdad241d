"""What OData's formats have in common besides URLs and references: its errors, its versions and its preferences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.request import parse_http_list

import msgspec

from django_batch.errors import BatchError

_VERSIONS = ("4.0", "4.01")
# The members of OData's items, by the names that they have in the pointers of errors.
_MEMBERS = {"depends_on": "dependsOn", "atomicity_group": "atomicityGroup", "path": "url"}


def error_body(error: BatchError) -> bytes:
    """`error` as JSON in the form of OData (OData JSON 4.01 §21.1), which is that of Microsoft Graph."""
    details = [_inner(each) for each in error.errors]
    return msgspec.json.encode({"error": {**_inner(error), "details": details}})


def _inner(error: BatchError) -> dict[str, str]:
    code = error.code.title().replace("_", "")  # `FailedDependency`, as Microsoft Graph has it
    inner = {"code": code, "message": error.detail}
    return {**inner, "target": _target(error.pointer)} if error.pointer else inner


def _target(pointer: str) -> str:
    place, slash, member = pointer.rpartition("/")
    return f"{place}{slash}{_MEMBERS.get(member, member)}"


def continues_on_error(headers: Mapping[str, str], *, default: bool) -> bool:
    """What `Prefer` says of `continue-on-error` (OData Protocol 4.01 §8.2.8.3)."""
    for name, value in _preferences(headers.get("Prefer", "")):
        if name in ("continue-on-error", "odata.continue-on-error"):
            return value != "false"
    return default


def _preferences(prefer: str) -> Iterator[tuple[str, str]]:
    """The names and values of RFC 7240 §2, in lower case. Of a name that is repeated, the first counts."""
    for preference in parse_http_list(prefer):
        name, _, value = preference.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip(' \t"').lower()


def odata_version(headers: Mapping[str, str], *, default: str) -> str:
    """The `OData-Version` of the answer: the latest that its sender takes, else the one that was sent (§8.2.6)."""
    asked = headers.get("OData-MaxVersion", headers.get("OData-Version", default)).strip()
    return asked if asked in _VERSIONS else default
