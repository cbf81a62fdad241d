"""Errors, versions and preferences of OData, which its two batch formats share.

Clients of different versions need different forms, so each function takes the version or the headers of the sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.request import parse_http_list

import msgspec

from django_batch.core.media_types import media_type_of
from django_batch.dialects.shared.mime import MULTIPART
from django_batch.errors import BatchError

_VERSIONS = ("4.0", "4.01")
# The names in the pointers of errors, and the members of OData's items that they stand for.
_MEMBERS = {"depends_on": "dependsOn", "atomicity_group": "atomicityGroup", "path": "url"}


def error_body(error: BatchError, version: str = "4.0") -> bytes:
    """`error` as JSON in the form of an OData version (OData JSON 4.01 §21.1). Microsoft Graph uses that of version 4.

    Before version 4 the message has a language, and in version 3 the member has another name (OData JSON 3.0 §19).
    """
    inner, details = _inner(error), [_inner(each) for each in error.errors]
    if version >= "4":
        return msgspec.json.encode({"error": {**inner, "details": details}})
    message = {"lang": "en", "value": error.detail}
    before_4 = {"code": inner["code"], "message": message, "innererror": {"errordetails": details}}
    return msgspec.json.encode({"odata.error" if version == "3.0" else "error": before_4})


def _inner(error: BatchError) -> dict[str, str]:
    inner = {"code": code_of(error.code), "message": error.detail}
    return {**inner, "target": _target(error.pointer)} if error.pointer else inner


def code_of(code: str) -> str:
    """The code of an error in Microsoft Graph's spelling, such as `FailedDependency`."""
    return code.title().replace("_", "")


def _target(pointer: str) -> str:
    place, slash, member = pointer.rpartition("/")
    return f"{place}{slash}{_MEMBERS.get(member, member)}"


def continues_on_error(headers: Mapping[str, str], *, default: bool) -> bool:
    """The preference `continue-on-error` in `Prefer` (OData Protocol 4.01 §8.2.8.3), or `default`."""
    for name, value in _preferences(headers.get("Prefer", "")):
        if name in ("continue-on-error", "odata.continue-on-error"):
            return value != "false"
    return default


def prefers_json(headers: Mapping[str, str]) -> bool:
    """Whether to answer a batch in parts with JSON (OData Protocol 4.01 §11.7).

    JSON batches came with version 4.01, so the sender must name that version. Many clients of earlier versions accept
    JSON for the content of parts, but cannot read a batch in JSON.
    """
    if "4.01" not in (headers.get("OData-MaxVersion"), headers.get("OData-Version")):
        return False
    accepted = {media_type_of(each) for each in headers.get("Accept", "").split(",")}
    return "application/json" in accepted and not accepted & {MULTIPART, "multipart/*"}


def _preferences(prefer: str) -> Iterator[tuple[str, str]]:
    """The names and values of preferences (RFC 7240 §2), in lower case. If a name is repeated, the first one counts."""
    for preference in parse_http_list(prefer):
        name, _, value = preference.partition(";")[0].partition("=")
        yield name.strip().lower(), value.strip(' \t"').lower()


def odata_version(headers: Mapping[str, str], *, default: str) -> str:
    """The `OData-Version` of the answer: the latest that its sender accepts, else the version sent (§8.2.6)."""
    asked = headers.get("OData-MaxVersion", headers.get("OData-Version", default)).strip()
    return asked if asked in _VERSIONS else default
