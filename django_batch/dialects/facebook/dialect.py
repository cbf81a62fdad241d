"""The batches of Facebook's Graph API, which the package drf-batch-requests uses too.

The parameters of a batch may be in its query, in a form or in a JSON object. The answer is always an array with the
status 200. JSONP (`callback=`) is deliberately not offered, because it lets pages of other sites read the answers that
are meant for their visitors.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import responses
from typing import cast
from urllib.parse import parse_qsl

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder, encode
from msgspec.structs import replace

from django_batch.core.batch import Batch, Subrequest, Subresponse
from django_batch.core.media_types import is_json, is_text, media_type_of, text_of
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.dialects.facebook.operations import FORM, JSON, OperationReader
from django_batch.dialects.facebook.urls import RelativeURLs
from django_batch.dialects.shared.bodies import is_json_text
from django_batch.dialects.shared.forms import FileParts, opened
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.json_items import ItemsWriter, read_items, readable
from django_batch.dialects.shared.json_text import STRING, read, read_members
from django_batch.errors import BatchError, FailedDependency, Malformed, NotRun, UnresolvedReference

_MAX_PARAMETERS = 1_000  # in the query of the batch's URL
_UNTYPED = ("", "text/plain")  # the types of a body whose sender named none; some servers then fill in the second
_NOT_DONE = (FailedDependency, NotRun, UnresolvedReference)


class FacebookBatch(Dialect):
    """Reads and writes Facebook's format. `Batch.layout` tells whether answers include their headers.

    Relative URLs start at the path `root`. With `versioned`, the API version that some SDKs put before them is dropped.
    By default, answers look as Facebook's SDKs expect them: every success has the status 200 (`plain_success`), its
    empty body becomes `{"success": true}` (`fill_empty`), every failure has an `error` in its body (`wrap_errors`), and
    the success of an operation that others refer to is left out (`omit_referred`).
    """

    name = "facebook"
    features = ("references", "files")
    media_types = (JSON, "multipart/form-data", FORM, *_UNTYPED)
    error_content_type = JSON

    def __init__(
        self,
        *,
        root: str = "/",
        versioned: bool = False,
        max_requests: int | None = 50,
        plain_success: bool = True,
        fill_empty: bool = True,
        wrap_errors: bool = True,
        omit_referred: bool = True,
    ) -> None:
        self.max_requests = max_requests
        self._root = f"{root.rstrip('/')}/"
        self._versioned = versioned
        self._omit_referred = omit_referred
        self._style = Style(plain_success, fill_empty, wrap_errors)

    def parse(self, envelope: Envelope) -> Batch:
        """The batch in `envelope`.

        Raises `BatchError` if it is not JSON in UTF-8, or too large. Anything else that is wrong is a fault.
        """
        if media_type_of(envelope.content_type) in _UNTYPED:
            envelope = _as_query(envelope)
        parameters = _parameters(envelope)
        faults: list[BatchError] = []
        return Batch(
            tuple(self._subrequests(envelope, parameters, faults)),
            faults=tuple(faults),
            layout=_text(parameters, "include_headers").lower() not in ("false", "0"),
        )

    def _subrequests(
        self, envelope: Envelope, parameters: Mapping[str, Raw], faults: list[BatchError]
    ) -> list[Subrequest]:
        urls = RelativeURLs(base=envelope.url, root=self._root, versioned=self._versioned)
        reader = OperationReader(urls, access_token=_text(parameters, "access_token"), parts=FileParts(envelope.form))
        envelope = replace(envelope, body=envelope.body or bytes(parameters["batch"]))
        found = read_items(parameters, faults, envelope, pointer="/batch", member="batch", read_item=reader.read)
        subrequests = [reader.tied(each, faults) if each.depends_on else each for each in found]
        referred = {reference.id for each in subrequests for reference in each.references if self._omit_referred}
        left_out = reader.left_out(referred)
        return [replace(each, omit_body=True) if each.id in left_out else each for each in subrequests]

    def writer(self, batch: Batch) -> Writer:
        """A writer of an array. The status of the whole answer is always 200."""
        return FacebookWriter(self._style, has_headers=cast("bool", batch.layout))

    def write_error(self, error: BatchError) -> bytes:
        """The refusal of a whole batch."""
        return _error(error.detail, error.status, encode(error.problem()))


def _as_query(envelope: Envelope) -> Envelope:
    """`envelope` with its body appended to its query. The body is a form, although its type does not say so."""
    try:
        return replace(envelope, body=b"", content_type="", query=f"{envelope.query}&{envelope.body.decode()}")
    except UnicodeDecodeError as error:
        raise Malformed(f"The batch is not UTF-8: {error.reason}.") from None


def _parameters(envelope: Envelope) -> Mapping[str, Raw]:
    """The parameters of a batch, as JSON values or plain texts. They come from its query and its body.

    Raises `Malformed` if there is no `batch` among them.
    """
    try:
        query = parse_qsl(envelope.query, keep_blank_values=True, max_num_fields=_MAX_PARAMETERS)
    except ValueError:
        raise Malformed(f"The query has more than {_MAX_PARAMETERS} parameters.") from None
    parameters = {name: Raw(value.encode()) for name, value in query}
    if envelope.form:
        parameters.update((name, Raw(values[-1].encode())) for name, values in envelope.form.fields.items())
        if "batch" in envelope.form.files or "batch" in envelope.form.fields:
            batch = readable(opened(envelope))
            parameters["batch"] = Raw(batch.body)
    elif envelope.content_type:
        envelope = readable(envelope)
        parameters.update(read_members(envelope.body))
    if "batch" not in parameters:
        raise Malformed("A batch needs the parameter 'batch', a JSON array of operations.", pointer="/batch")
    if _is_string(parameters["batch"]):  # a string that contains the array
        parameters["batch"] = Raw(read(parameters["batch"], STRING, pointer="/batch").encode())
    return parameters


def _text(parameters: Mapping[str, Raw], name: str) -> str:
    value = parameters.get(name, Raw())
    return read(value, STRING, pointer=f"/{name}") if _is_string(value) else bytes(value).decode()


def _is_string(value: Raw) -> bool:
    return bytes(memoryview(value)[:1]) == b'"'


@dataclass(frozen=True, slots=True)
class Style:
    """The options of answers. `FacebookBatch` explains them."""

    plain_success: bool
    fill_empty: bool
    wrap_errors: bool


class FacebookWriter(ItemsWriter):
    """Writes an array of objects with `code`, `headers` and `body`.

    Operations that were not run, or whose answer is left out, are `null`.
    """

    status = 200
    opening, closing = b"[", b"]"

    def __init__(self, style: Style, *, has_headers: bool) -> None:
        super().__init__()
        self._style = style
        self._has_headers = has_headers
        self._fragments = Fragments(_written)

    def item(self, subresponse: Subresponse) -> bytes:
        """One answer."""
        is_left_out = subresponse.subrequest.omit_body and not subresponse.failed
        if is_left_out or (subresponse.error and isinstance(subresponse.error, _NOT_DONE)):
            return b"null"
        is_success = 200 <= subresponse.status < 300
        text, added = self._body(subresponse, is_success)
        headers = subresponse.headers
        if added:
            headers = {**headers, **added}
            if "Content-Type" in added:  # then the body was replaced, so its length has changed
                headers.pop("Content-Length", None)
        return b'{"code":%d%b,"body":%b}' % (
            200 if is_success and self._style.plain_success else subresponse.status,
            self._fragments.of(headers) if self._has_headers else b"",
            encode(text),
        )

    def _body(self, subresponse: Subresponse, is_success: bool) -> tuple[str, Mapping[str, str]]:
        """The text of a body, and the headers that have to be added or changed for it."""
        if error := subresponse.error:
            problem = encode(error.problem(status=subresponse.status))
            return _error(error.detail, subresponse.status, problem).decode(), {"Content-Type": JSON}
        body, content_type = subresponse.body, subresponse.headers.get("Content-Type", "")
        if not body and is_success and self._style.fill_empty:
            return '{"success":true}', {"Content-Type": JSON}
        text = _readable(body, content_type, subresponse.headers.get("Content-Encoding", "identity"))
        if subresponse.failed and self._style.wrap_errors:
            return _wrapped(text, subresponse.status, content_type)
        if text is None:
            return b64encode(body).decode(), {"Content-Transfer-Encoding": "base64"}
        return text, {}


def _written(headers: Mapping[str, str]) -> bytes:
    return b',"headers":' + encode([{"name": name, "value": value} for name, value in headers.items()])


def _readable(body: bytes, content_type: str, coding: str) -> str | None:
    """`body` as text, or None if it is not text."""
    if not body:
        return ""
    is_readable = coding.lower() == "identity" and (is_json(content_type) or is_text(content_type))
    return text_of(body, content_type) if is_readable else None


class _Failure(Struct):
    error: Raw | UnsetType = UNSET
    detail: Raw | UnsetType = UNSET


_failure = Decoder(_Failure)


def _wrapped(text: str | None, status: int, content_type: str) -> tuple[str, Mapping[str, str]]:
    """The body of a failure with an `error` in it, and the headers that change with it."""
    body = (text or "").encode(errors="replace")
    is_value = is_json(content_type) and is_json_text(body)
    failure = _Failure()
    if is_value and body.lstrip().startswith(b"{"):
        failure = _failure.decode(body)
    if failure.error is not UNSET:
        return text or "", {}
    message = responses.get(status, "Unknown Status Code")
    if failure.detail is not UNSET and _is_string(failure.detail):
        message = read(failure.detail, STRING)
    return _error(message, status, body if is_value else encode(text)).decode(), {"Content-Type": JSON}


def _error(message: str, status: int, data: bytes) -> bytes:
    """An error in Facebook's form. `data` is JSON text with further details."""
    kind = re.sub("[^A-Za-z]", "", responses.get(status, "UnknownStatusCode"))
    members = (encode(message), encode(kind), status, data)
    return b'{"error":{"message":%b,"type":%b,"code":%d,"error_data":%b}}' % members
