"""The property of all dialects: what a sender wrote reaches the request, or is refused, or is on the list of noise."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.headers import is_noise
from django_batch.core.plan import plan
from django_batch.dialects.base import Dialect, Envelope
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.native import NativeDialect
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.errors import BatchError

# Headers that a dialect reads itself. No view gets them, but they are not lost.
READ = {"host", "content-id", "content-length"}
NAMES = [
    "Company",
    "MSCRMCallerID",
    "User-Agent",
    "Accept",
    "accept",
    "If-Match",
    "Content-Type",
    "X y",
    "{",
    "",
    "Date",
]
names = st.sampled_from(NAMES) | st.text("aB-: {", max_size=3)
values = st.sampled_from(["a", "text/plain", "1", "", "x: y"]) | st.text('a{"}:, ', max_size=4)
pairs = st.lists(st.tuples(names, values), max_size=4)
members = st.dictionaries(st.sampled_from(["x", "if", "name", "headers", "path"]), st.none() | st.just({}), max_size=2)


def read(dialect: Dialect, body: bytes, content_type: str) -> Subrequest | None:
    """The sub-request, or nothing if the batch was refused."""
    try:
        batch: Batch = dialect.parse(Envelope(body, content_type, "http://testserver/svc/$batch", 10))
        plan(batch)
    except BatchError:
        return None
    return batch.subrequests[0]


def assert_kept(sent: Iterable[tuple[str, str]], found: Subrequest) -> None:
    """Assert that each header that was sent is there with its value, unless it is noise."""
    got = [(name.lower().strip(), value) for name, value in found.headers]
    for name, value in sent:
        lowered, text = name.lower().strip(), value.strip()
        is_there = any(each == lowered and text in kept for each, kept in got)
        assert is_there or is_noise(lowered) or lowered in READ


@given(
    headers=pairs,
    blank=st.sampled_from(["\r\n", "\n", "", " \r\n", "\t\n"]),
    body=st.sampled_from(["", "{}", '{"a": 1}', "a=b", "name: x", " {}"]),
    before=pairs,
)
@pytest.mark.parametrize("dialect", [GoogleMultipart(), ODataMultipart()])
def test_law_part_keeps_its_headers_and_its_body(dialect, headers, blank, body, before):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in before)
    part = f"Content-Type: application/http\r\n{head}\r\nPATCH /x HTTP/1.1\r\n{lines}{blank}{body}"
    found = read(dialect, f"--b\r\n{part}\r\n--b--".encode(), "multipart/mixed; boundary=b")
    if found is None:
        return
    for name, _ in before:  # a line that begins with a blank continues the header before it (RFC 5322 §2.2.3)
        assert is_noise(name.lower().strip()) or name.lower().startswith(("content-", " "))
    if blank.strip(" \t") == blank and blank:
        assert bytes(found.body) == body.encode()
        assert_kept(((line.split(":", 1)[0], line.split(":", 1)[1]) for line in lines.splitlines()), found)
    elif body:  # then it was read as a header, so it must be one
        assert_kept([tuple(body.split(": ", 1))], found)  # type: ignore[list-item]


@given(headers=pairs, twice=st.booleans(), more=members)
@pytest.mark.parametrize(
    ("dialect", "array", "url"), [(ODataJSON(), "requests", "url"), (NativeDialect(), "requests", "path")]
)
def test_law_item_keeps_its_headers_and_its_members(dialect, array, url, headers, twice, more):
    written = ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in headers)
    rest = "".join(f',"{name}":{json.dumps(value)}' for name, value in more.items())
    again = f',"{url}":"/y"' if twice else ""
    item = f'{{"id":"1","method":"PATCH","{url}":"/x","body":{{"a":1}},"headers":{{{written}}}{rest}{again}}}'
    found = read(dialect, f'{{"{array}":[{item}]}}'.encode(), "application/json")
    if found is None:
        return
    assert not twice
    assert more.keys() <= {"if"}  # the value of "if" may be null
    assert_kept(headers, found)
    assert bytes(found.body) == b'{"a":1}'


@given(headers=pairs, more=members, as_object=st.booleans())
def test_law_operation_keeps_its_headers_and_its_members(headers, more, as_object):
    written: object = [{"name": name, "value": value} for name, value in headers]
    if as_object:
        written = dict(headers)
    operation = {"method": "PATCH", "relative_url": "x", "body": '{"a":1}', "headers": written, **more}
    found = read(FacebookBatch(), json.dumps({"batch": [operation]}).encode(), "application/json")
    if found is None:
        return
    assert more.keys() <= {"name", "headers"}
    if "headers" not in more:
        assert_kept(dict(headers).items() if as_object else headers, found)
    assert found.body == b'{"a":1}'
