"""What is tried, in other dialects than the native: how each writes it, and how the answers are read."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django_batch.dialects.base import Dialect
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from tests.parts import answers, change_set, multipart, part

from .senders import JSON, UPLOAD, Item, Sender, bytes_of

MULTIPART = "multipart/mixed; boundary=batch"
REFERENCE = "{0#/body}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: object


@dataclass(frozen=True)
class Protocol:
    """A dialect: `can_say` tells what has a form in it, `write` and `read` how batches and their answers look."""

    dialect: Dialect
    content_type: str
    can_say: Callable[[Item], bool]
    write: Callable[[Sequence[Item]], bytes]
    read: Callable[[Any], list[Answer]]

    def send(self, items: Sequence[Item], sender: Sender, name: str) -> Any:
        """The answer to `items` in one request, to a view that has `name` in its path."""
        content_type = self.content_type if sender.content_type == JSON else sender.content_type
        content = self.write(items)
        if isinstance(self.dialect, FacebookBatch) and content_type != UPLOAD:
            content = b'{"batch": %b}' % content
        path = sender.batch_path.replace("/", f"/{name}-", 1)
        return sender.post(path, content, content_type, Prefer="continue-on-error")

    def told(self, response: Any, items: Sequence[Item]) -> list[Answer]:
        """One answer for each of `items`. A change set comes first, and has one answer for all that is in it."""
        found = self.read(response)
        return [*found[:1] * (len(items) - len(found)), *found]


# In JSON


def _has_no_reference(item: Item) -> bool:
    return "depends_on" not in item


def _odata_items(items: Sequence[Item]) -> bytes:
    written = [_odata_item(**{"id": str(place), **item}) for place, item in enumerate(items)]
    return json.dumps({"requests": written}).encode()


def _odata_item(path: str, method: str = "GET", atomicity_group: str | None = None, **members: Any) -> Item:
    return {"url": path, "method": method, "atomicityGroup": atomicity_group, **members}


def _odata_answers(response: Any) -> list[Answer]:
    told = response.json()["responses"]
    return [Answer(each["status"], each["headers"], b"" if each["body"] is None else each["body"]) for each in told]


def _is_operation(item: Item) -> bool:
    return "atomicity_group" not in item and ("depends_on" not in item or REFERENCE in item["path"])


def _operations(items: Sequence[Item]) -> bytes:
    return json.dumps([_operation(str(place), **item) for place, item in enumerate(items)]).encode()


def _operation(name: str, path: str, **members: Any) -> Item:
    """An operation, which has no id."""
    members.pop("id", None)
    return {"name": name, "relative_url": path.replace(REFERENCE, "{result=0:$}"), **members}


def _facebooks_answers(response: Any) -> list[Answer]:
    return [_facebooks_answer(**(each or {})) for each in response.json()]


def _facebooks_answer(code: int = 424, headers: Iterable[dict[str, str]] = (), body: str = "") -> Answer:
    told = {header["name"]: header["value"] for header in headers}
    return Answer(code, told, b64decode(body) if told.get("Content-Transfer-Encoding") == "base64" else body or b"")


# In parts


def _is_part(item: Item) -> bool:
    """Whether it is one part, what it says is said in a request line, and its answer is not without its body."""
    is_line = re.fullmatch(r"(?!HEAD )\S+ \S(.*\S)?", f"{item.get('method', 'GET')} {item['path']}")
    return bool(is_line) and re.fullmatch("[ -~]+", item.get("id", "0")) is not None and _has_no_reference(item)


def _is_single_part(item: Item) -> bool:
    return _is_part(item) and "atomicity_group" not in item


def _part(item: Item) -> bytes:
    headers = item.get("headers", {}).items()
    lines = [f"{item.get('method', 'GET')} {item['path']} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    head = "".join(f"{line}\r\n" for line in lines)
    return part(head.encode() + b"\r\n" + bytes_of(**item), item.get("id"))


def _parts(items: Sequence[Item]) -> bytes:
    return multipart(map(_part, items))


def _sets(items: Sequence[Item]) -> bytes:
    members = [_part(item) for item in items if "atomicity_group" in item]
    singles = [_part(item) for item in items if "atomicity_group" not in item]
    return multipart([*([change_set(members)] if members else []), *singles])


def _answers(response: Any) -> list[Answer]:
    found = answers(response.content, response["Content-Type"])
    return [Answer(each.status, each.headers, each.body) for each in found]  # type: ignore[union-attr]  # no set succeeds


# Facebook's answers are such as say what the views have said, and nothing for any client's sake.
PLAIN = FacebookBatch(max_requests=None, plain_success=False, fill_empty=False, wrap_errors=False, omit_referred=False)
PROTOCOLS = {
    "odata-json": Protocol(ODataJSON(), JSON, _has_no_reference, _odata_items, _odata_answers),
    "odata-parts": Protocol(ODataMultipart(), MULTIPART, _is_part, _sets, _answers),
    "google": Protocol(GoogleMultipart(), MULTIPART, _is_single_part, _parts, _answers),
    "facebook": Protocol(PLAIN, JSON, _is_operation, _operations, _facebooks_answers),
}
