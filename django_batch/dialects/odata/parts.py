"""One part of OData's multipart format, read into a `Subrequest` (OData Protocol 4.01 §11.7.7).

Parts refer to earlier parts by Content-ID. A Content-ID may be used again in another change set, so ids of sub-requests
are positions, and a Content-ID means the last earlier part that has it.
"""

from __future__ import annotations

from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest
from django_batch.dialects.odata.change_sets import Place
from django_batch.dialects.odata.references import may_be_in, references
from django_batch.dialects.odata.urls import ServiceRoot, may_be_reference
from django_batch.dialects.shared.http_messages import HeaderPairs, MessageReader
from django_batch.errors import Malformed


class PartReader:
    """Reads the requests of the batch `body`, in order. `base` is the absolute URL of the batch.

    With `flat`, change sets are not groups. `content_ids` maps the id of a sub-request to its Content-ID. `inner_ids`
    has those Content-IDs that were among the headers of the request itself.
    """

    def __init__(self, body: bytes, root: ServiceRoot, *, base: str, flat: bool) -> None:
        self.content_ids: dict[str, str] = {}
        self.inner_ids: dict[str, str] = {}
        self.messages = MessageReader(body, base=base)
        self._root = root
        self._base = base
        self._flat = flat
        self._known: dict[str, str] = {}  # Content-ID -> the id of the last sub-request that had it

    def read(self, place: Place) -> Subrequest:
        """The sub-request at `place`. Raises `Malformed`."""
        name, change_set, part = place
        content_id, method, url, is_path, headers, content = self.messages.read(part)
        path = self._path(url, is_path=is_path)
        own_headers = headers.with_body if content else headers.without_body
        if method == "MERGE" or "x-http-method" in headers.by_name:
            method, own_headers = _carried(method, own_headers)
        in_content = self._known and (headers.may_refer or (content and may_be_in(content)))
        may_refer = in_content or path[0] != "/"
        found = self._references(method, path, own_headers, content) if may_refer else ()
        self._remember(name, content_id, headers.content_id)
        return Subrequest(
            id=name,
            method=method,
            path=path,
            headers=own_headers,
            body=content,
            depends_on=tuple(dict.fromkeys(reference.id for reference in found)) if found else (),
            atomicity_group=None if self._flat else change_set,
            pointer=f"/{name}",
            references=found,
        )

    def _path(self, url: str, *, is_path: bool) -> str:
        if not is_path or self._root.path is not None or (self._known and may_be_reference(url)):
            return self._root.resolve(url, base=self._base, known=self._known)
        return url

    def _remember(self, name: str, content_id: str, inner_id: str) -> None:
        if content_id:
            self._known[content_id] = name
            self.content_ids[name] = content_id
        if inner_id:
            self.inner_ids[name] = inner_id

    def _references(
        self, method: str, path: str, headers: HeaderPairs, body: bytes | memoryview
    ) -> tuple[Reference, ...]:
        """The references to Content-IDs of earlier parts. Raises `Malformed` if there is one to another Content-ID.

        Only URLs and ETags can be references here. Every part can refer to all earlier ones, so if values could too,
        text typed by an end user might become a reference.
        """
        known, roots = self._known, self._root.prefixes(self._base)
        found = references(method, path, headers, body, known, values=False, pointer="", roots=roots)
        if unknown := [reference.text for reference in found if reference.id not in known]:
            raise Malformed(f"{unknown[0]!r} refers to a Content-ID that no earlier part has.")
        return tuple(replace(reference, id=known[reference.id]) for reference in found)


def _carried(method: str, headers: HeaderPairs) -> tuple[str, HeaderPairs]:
    """The method that a request really means, and its headers without the header that names it.

    A POST may name another method in `X-HTTP-Method`, and before version 4, PATCH was called MERGE.
    """
    if method == "POST":
        method = dict(headers)["x-http-method"].upper()
        headers = tuple(header for header in headers if header[0] != "x-http-method")
    return ("PATCH" if method == "MERGE" else method), headers
