"""Answers written as `multipart/mixed`, in the strict form that every client can read.

Every line ends with CRLF, there is no text before the first part or behind the last, and the boundary is unquoted and
the last parameter of the content type. Clients are not asked what they support: the strictest form suits all of them,
except for a few parameters that some of them need (see `PartsLayout`).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

from django_batch.core.batch import Subresponse
from django_batch.dialects.base import Envelope, Writer, written
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.http_messages import answer_head, fields
from django_batch.dialects.shared.mime import MULTIPART
from django_batch.errors import BatchError, Malformed, UnsupportedMediaType

# Some clients write the parameter `msgtype` (RFC 9112 §10.2), and cannot read an answer without it.
_PART_HEADS = {
    has_msgtype: f"\r\nContent-Type: application/http{parameter}\r\nContent-Transfer-Encoding: binary\r\n"
    for has_msgtype, parameter in ((False, ""), (True, "; msgtype=response"))
}

_AZURE = "x-ms-version"
BEFORE_4 = 202  # the status of every batch in OData 2 and 3 (MS-ODATA §2.2.7.6.6)
# The headers of clients that expect this status: those of OData 2 and 3, and of Azure Storage.
_ACCEPTED = ("DataServiceVersion", "MaxDataServiceVersion", _AZURE)


def default_status(envelope: Envelope) -> int:
    """The status of the whole answer that the client expects, judged by its headers."""
    return BEFORE_4 if any(name in envelope.headers for name in _ACCEPTED) else 200


def is_azure(envelope: Envelope) -> bool:
    """Whether a client of Azure Storage has sent the batch."""
    return _AZURE in envelope.headers


def check_body(envelope: Envelope) -> None:
    """Raise a `BatchError` if the body has a content coding (RFC 9110 §15.5.16), or did not arrive."""
    coding = envelope.headers.get("Content-Encoding") or "identity"
    if coding.lower() != "identity":
        raise UnsupportedMediaType(f"The batch has the content coding {coding[:100]!r}. Send it without one.")
    if not envelope.body:
        raise Malformed("The batch is empty. A chunked body does not reach Django under WSGI: send Content-Length.")


def no_parts() -> Malformed:
    """The error for a batch without parts."""
    return Malformed("The batch has no parts.")


@dataclass(frozen=True, slots=True)
class PartsLayout:
    """The form of an answer in parts: its status and headers, and the Content-IDs of its parts.

    `content_ids` and `inner_ids` map the id of a sub-request to a Content-ID. Those in `inner_ids` were among the
    headers of the request itself, and are repeated among the headers of its answer, where some clients look for them.
    With `nests_failures`, the answer to a failed change set is a nested message, like that of a committed one. With
    `has_msgtype`, parts have the parameter `msgtype`. With `as_json`, the answer is JSON and not multipart.
    """

    content_ids: Mapping[str, str]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    nests_failures: bool = False
    inner_ids: Mapping[str, str] = field(default_factory=dict)
    has_msgtype: bool = False
    as_json: bool = False


class PartsWriter(Writer):
    """Writes one part for each answer."""

    def __init__(self, layout: PartsLayout, *, streamed: bool = False) -> None:
        self.streamed = streamed
        self.status = layout.status
        self.headers = layout.headers
        self._content_ids = layout.content_ids
        self._inner_ids = layout.inner_ids
        self._part_head = _PART_HEADS[layout.has_msgtype]
        self._fields = Fragments(fields)
        self._secret = uuid4()  # nobody can guess it, so no body can contain the boundary
        boundary = f"batchresponse_{self._secret}"
        self._delimiter = f"--{boundary}"
        self.content_type = f"{MULTIPART}; boundary={boundary}"

    @abstractmethod
    def error(self, error: BatchError, *, status: int) -> bytes:
        """The JSON body that reports `error` in an answer."""

    def write(self, subresponse: Subresponse) -> bytes:
        return b"".join(self.pieces(subresponse))

    def end(self) -> bytes:
        return f"{self._delimiter}--\r\n".encode()

    def whole(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer. The bodies are joined once, so none is held twice on the way."""
        pieces: list[bytes] = []
        for subresponse in subresponses:
            pieces += self.pieces(subresponse)
        return b"".join([*pieces, self.end()])

    def pieces(self, subresponse: Subresponse) -> Sequence[bytes]:
        """The pieces that `write` joins. The body is one of them, and is not copied."""
        return self.part(subresponse, self._delimiter)

    def part(self, subresponse: Subresponse, delimiter: str) -> tuple[bytes, ...]:
        """One part: an answer in the form that all clients read, or a failure if it cannot be written."""
        return written(partial(self._part, delimiter), subresponse)

    def _part(self, delimiter: str, subresponse: Subresponse) -> tuple[bytes, ...]:
        subrequest, headers, body = subresponse.subrequest, subresponse.headers, subresponse.body
        if subresponse.error:
            headers = {**headers, "Content-Type": "application/json"}
            body = self.error(subresponse.error, status=subresponse.status)
        length = headers.get("Content-Length", "0") if subrequest.method == "HEAD" and not body else str(len(body))
        if subrequest.id in self._inner_ids:
            headers = {**headers, "Content-ID": self._inner_ids[subrequest.id]}
        content_id = self._content_ids.get(subrequest.id)
        known_as = f"Content-ID: {content_id}\r\n" if content_id else ""
        head = answer_head(subresponse.status, headers, length=length, reason=subresponse.reason, write=self._fields.of)
        return f"{delimiter}{self._part_head}{known_as}\r\n{head}".encode("latin-1", "replace"), body, b"\r\n"
