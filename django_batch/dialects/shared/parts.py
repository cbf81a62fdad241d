"""How answers are written as `multipart/mixed`: strictly, as all clients read it.

CRLF everywhere, nothing before the first part or behind the last, and the boundary unquoted and at the end of its type.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from django_batch.core.batch import Subresponse
from django_batch.dialects.base import Envelope, Writer
from django_batch.dialects.shared.fragments import Fragments
from django_batch.dialects.shared.http_messages import answer_head, fields
from django_batch.dialects.shared.mime import MULTIPART
from django_batch.errors import BatchError, Malformed

_PART_HEAD = "\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


_AZURE = "x-ms-version"
BEFORE_4 = 202  # what the versions 2 and 3 of OData answer every batch with (MS-ODATA §2.2.7.6.6)
# By these a client says that it is one of theirs, or of Azure Storage.
_ACCEPTED = ("DataServiceVersion", "MaxDataServiceVersion", _AZURE)


def default_status(envelope: Envelope) -> int:
    """The status of the answer that a client expects, by what it says of itself."""
    return BEFORE_4 if any(name in envelope.headers for name in _ACCEPTED) else 200


def is_azure(envelope: Envelope) -> bool:
    """Whether a client of Azure Storage has sent it."""
    return _AZURE in envelope.headers


def no_parts() -> Malformed:
    """The error that a batch without a part is."""
    return Malformed("The batch has no parts.")


@dataclass(frozen=True, slots=True)
class Layout:
    """What a batch has to be answered with: the status and the headers of the whole, and the Content-IDs of its parts.

    `content_ids` are by the id of the sub-request. With `nests_failures`, the answer of a change set that failed is in
    a message of its own too.
    """

    content_ids: Mapping[str, str]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    nests_failures: bool = False


class PartsWriter(Writer):
    """Writes one part for each answer."""

    def __init__(self, layout: Layout, *, streamed: bool = False) -> None:
        self.streamed = streamed
        self.status = layout.status
        self.headers = layout.headers
        self._content_ids = layout.content_ids
        self._fields = Fragments(fields)
        self._secret = uuid4()  # known to nobody before it is sent, so that no body can hold a boundary
        boundary = f"batchresponse_{self._secret}"
        self._delimiter = f"--{boundary}"
        self.content_type = f"{MULTIPART}; boundary={boundary}"

    @abstractmethod
    def error(self, error: BatchError, *, status: int) -> bytes:
        """The JSON that tells of `error` in an answer."""

    def write(self, subresponse: Subresponse) -> bytes:
        return b"".join(self.pieces(subresponse))

    def end(self) -> bytes:
        return f"{self._delimiter}--\r\n".encode()

    def whole(self, subresponses: Iterable[Subresponse]) -> bytes:
        """The whole answer, joined of the bodies themselves: none is held twice on the way."""
        pieces: list[bytes] = []
        for subresponse in subresponses:
            pieces += self.pieces(subresponse)
        return b"".join([*pieces, self.end()])

    def pieces(self, subresponse: Subresponse) -> Sequence[bytes]:
        """What `write` gives, with the body as it is."""
        return self.part(subresponse, self._delimiter)

    def part(self, subresponse: Subresponse, delimiter: str) -> tuple[bytes, ...]:
        """One part: an answer, in the form that all clients read."""
        subrequest, headers, body = subresponse.subrequest, subresponse.headers, subresponse.body
        if subresponse.error:
            headers = {**headers, "Content-Type": "application/json"}
            body = self.error(subresponse.error, status=subresponse.status)
        length = headers.get("Content-Length", "0") if subrequest.method == "HEAD" and not body else str(len(body))
        content_id = self._content_ids.get(subrequest.id)
        known_as = f"Content-ID: {content_id}\r\n" if content_id else ""
        head = answer_head(subresponse.status, headers, length=length, write=self._fields.of)
        return f"{delimiter}{_PART_HEAD}{known_as}\r\n{head}".encode("latin-1", "replace"), body, b"\r\n"
