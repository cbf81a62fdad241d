"""One part of OData's multipart format, read into a `Subrequest` (OData Protocol 4.01 §11.7.7)."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from django_batch.core.batch import Reference, Subrequest
from django_batch.dialects.odata.change_sets import Place
from django_batch.dialects.odata.references import may_be_in, references
from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.dialects.shared.http_messages import MessageReader, Pairs
from django_batch.errors import Malformed


class PartReader:
    """Reads the requests of the batch `body`, in their order. `base` is the absolute URL of the batch.

    With `flat`, those of a change set are no group. `content_ids` are by the id of the sub-request.
    """

    def __init__(self, body: bytes, root: ServiceRoot, *, base: str, flat: bool) -> None:
        self.content_ids: dict[str, str] = {}
        self._messages = MessageReader(body, base=base)
        self._root = root
        self._base = base
        self._flat = flat
        self._known: dict[str, str] = {}  # Content-ID -> the id of the last request before that has it

    def read(self, place: Place) -> Subrequest:
        """The sub-request at `place`. Raises `Malformed`."""
        name, change_set, part = place
        content_id, method, url, is_path, headers, content = self._messages.read(part)
        path = url if is_path and self._root.path is None else self._root.resolve(url, base=self._base)
        own_headers, known = headers.with_body if content else headers.without_body, self._known
        may_refer = path[0] != "/" or (known and (headers.may_refer or (content and may_be_in(content))))
        found = _references(path, own_headers, content, known) if may_refer else ()
        if content_id:
            known[content_id] = name
            self.content_ids[name] = content_id
        return Subrequest(
            name,
            _carried(method, headers.by_name) if method == "MERGE" or "x-http-method" in headers.by_name else method,
            path,
            own_headers,
            content,
            tuple(dict.fromkeys(reference.id for reference in found)) if found else (),
            None if self._flat else change_set,
            f"/{name}",
            found,
        )


def _carried(method: str, headers: Mapping[str, str]) -> str:
    """What a POST stands for that carries another method, and MERGE, the name of PATCH before version 4."""
    carried = headers.get("x-http-method", method).upper() if method == "POST" else method
    return "PATCH" if carried == "MERGE" else carried


def _references(path: str, headers: Pairs, body: bytes | memoryview, known: Mapping[str, str]) -> tuple[Reference, ...]:
    """The references to requests that are `known` by their Content-IDs. Raises `Malformed` for one to any other.

    Only to URLs and ETags: every request can refer to those before it, and no text of an end user should.
    """
    found = references(path, headers, body, known, values=False, pointer="")
    if unknown := [reference.text for reference in found if reference.id not in known]:
        raise Malformed(f"{unknown[0]!r} refers to no Content-ID of a part before this one.")
    return tuple(replace(reference, id=known[reference.id]) for reference in found)
