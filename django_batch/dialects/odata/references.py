"""References in OData's batches: `$ID` stands for a URL, an ETag or a value of the answer to ID.

They are looked for only in the places that the standard names (OData Protocol 4.01 §11.7.3 to §11.7.5). Values are
looked for only if they refer to a dependency of the item. Any other dollar sign is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from urllib.parse import unquote, urljoin

from django_batch.core.batch import Reference
from django_batch.core.documents import Document, Query
from django_batch.core.documents import pointer as json_pointer
from django_batch.core.media_types import charset_of, is_json
from django_batch.core.references import JSON_STRING, plain_text, quoted
from django_batch.dialects.odata.urls import reference_in
from django_batch.errors import Malformed

_ETAGS = {"if-match", "if-none-match"}
_IN_QUERY = re.compile(r"(?:(?<=[=(,+])|(?<=%2[08Cc]))\$([\w.~-]+)((?:/[\w.~@-]+)+)")
# Matches a string, with the colon behind it if it is the name of a member, or a closing bracket. A string that never
# ends is matched to the end of the text, because nobody has checked yet that the text is JSON.
_IN_BODY = re.compile(JSON_STRING + rb'(\s*+:)?+|".*+|[{}\]]', re.DOTALL)
_MAY_HAVE_ONE = re.compile(rb'["/](?:\$|\\u0024)')
_WHOLE = re.compile(r"\$([^/]+)((?:/[\w.~@-]+)*)")
_IDS, _BINDS = (b'"@id"', b'"@odata.id"'), (b'@bind"', b'@odata.bind"')  # members whose value is the URL of an entity
_SAFE = ("GET", "HEAD", "OPTIONS")
_MAX_REFERENCES = 1_000  # in one item


def references(
    method: str,
    path: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | memoryview,
    ids: Collection[str],
    *,
    values: bool,
    pointer: str,
    roots: Sequence[str] = (),
) -> tuple[Reference, ...]:
    """The references of an item, in the order of their spans. `path` is its resolved URL, `ids` are its dependencies.

    Without `values`, only URLs and ETags can be references, so text typed by an end user never becomes one. In a body,
    a URL may have one of `roots` before its reference. Raises `Malformed` if there are too many.
    """
    found = [*in_path(method, path, ids if values else ()), *in_headers(headers)]
    if ids and body and _is_json_in_utf_8(headers):
        found += islice(in_body(body, ids, values=values, roots=roots), _MAX_REFERENCES + 1)
    if len(found) > _MAX_REFERENCES:
        raise Malformed(f"An item can have at most {_MAX_REFERENCES} references. This one has more.", pointer=pointer)
    return tuple(found)


def may_refer(path: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether an item without dependencies may have references, in its path or in a header."""
    return path[0] != "/" or any(value[:1] == "$" for _, value in headers)


def _is_json_in_utf_8(headers: Iterable[tuple[str, str]]) -> bool:
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    return is_json(content_type) and charset_of(content_type) in (None, "utf-8")


def in_path(method: str, path: str, ids: Collection[str]) -> Iterator[Reference]:
    """The reference at the start of a path, to any id, and the values `$ID/NAME` in its query, to one of `ids`."""
    if first := reference_in(path):
        rest = path[first.end() :]
        query = partial(_entity, goes_on=rest[:1] == "/", method=method)
        yield Reference("path", 0, first.end(), unquote(first[1]), query, first[0], partial(_before, rest=rest))
    for found in _IN_QUERY.finditer(path, path.find("?") + 1 or len(path)) if ids else ():
        if found[1] in ids:
            is_whole = path[found.start() - 1] == "=" and path[found.end() : found.end() + 1] in ("", "&")
            yield Reference(
                "path", *found.span(), found[1], _value(found[2]), found[0], quoted if is_whole else _literal
            )


def in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[Reference]:
    """The ETags `$ID`. A real ETag cannot begin with a dollar sign, because it is quoted."""
    for name, value in headers:
        if name.lower() in _ETAGS and value.startswith("$"):
            yield Reference(f"headers/{name}", 0, len(value), value[1:], _etag, value)


def may_be_in(body: bytes | memoryview) -> bool:
    """Whether a JSON text may have references."""
    return _MAY_HAVE_ONE.search(body) is not None


def in_body(
    body: bytes | memoryview, ids: Collection[str], *, values: bool, roots: Sequence[str] = ()
) -> Iterator[Reference]:
    """The strings of a JSON text that are, as a whole, a reference to one of `ids`. Names of members are skipped.

    The URL of an entity may have one of `roots` before its reference.
    """
    for found, of_entity in _strings(body) if may_be_in(body) else ():
        text = _text(found[0])
        whole = _WHOLE.fullmatch(_behind_root(text, roots) if of_entity else text)
        if whole and whole[1] in ids:
            if of_entity:
                write = partial(_url_in_json, rest=whole[2])
                yield Reference("body", *found.span(), whole[1], _entity, whole[0], write)
            elif values:
                yield Reference("body", *found.span(), whole[1], _value(whole[2]), whole[0])


def _strings(body: bytes | memoryview) -> Iterator[tuple[re.Match[bytes], bool]]:
    """The strings that may be references, and whether each is the URL of an entity, or in an array of such URLs."""
    of_entity = False
    for found in _IN_BODY.finditer(body):
        token, colon = found[0], found[1]
        if not token.startswith(b'"'):
            of_entity = False
        elif colon is not None:
            name = token[: -len(colon)]
            of_entity = name in _IDS or name.endswith(_BINDS)
        elif of_entity or token.startswith((b'"$', b'"\\')):
            yield found, of_entity


def _behind_root(url: str, roots: Sequence[str]) -> str:
    root = next((root for root in roots if url.startswith(root)), "")
    return url[len(root) :]


def _text(token: bytes) -> str:
    """The string in a JSON token. Empty if the token is not valid JSON, which nobody has checked yet."""
    try:
        text: str = json.loads(token.decode())
    except ValueError:
        return ""
    return text


def _entity(answer: object, *, goes_on: bool = False, method: str = "") -> str:
    """The URL of the entity that an answer is about: its `Location`, or else the URL of the request it answers.

    `method` is the method of the request that will be sent to this URL, or to a URL below it if the path `goes_on`.
    Raises `LookupError` if the URL would be that of a collection, because a DELETE would then empty the collection.
    Only a POST may be sent to a collection, and a safe method if the collection itself was read.
    """
    assert isinstance(answer, Document)
    location = _headers(answer).get("location", "")
    if not location and (goes_on or method != "POST"):
        if answer.method == "POST":
            raise LookupError("it has no Location, so the URL of the new entity is unknown.")
        if method not in _SAFE and _is_collection(answer["body"]):
            raise LookupError("it has no Location, and it is a collection, which only a POST may be sent to.")
    return urljoin(answer.path.partition("?")[0], location)


def _is_collection(body: object) -> bool:
    return isinstance(body, list) or (isinstance(body, dict) and isinstance(body.get("value"), list))


def _etag(answer: object) -> str:
    return _headers(answer)["etag"]


def _headers(answer: object) -> dict[str, str]:
    """The headers of an answer, by their names in lower case."""
    assert isinstance(answer, Document)
    return {name.lower(): value for name, value in answer.headers.items()}


def _value(path: str) -> Query:
    return json_pointer("/body" + path.replace("~", "~0"))


def _before(url: object, *, rest: str) -> str:
    """`url` in the form that can be put before `rest`, with one slash between them even if `url` ends with one."""
    text = plain_text(url)
    if rest and "?" in text:
        raise ValueError(f"nothing can follow the query of {text!r}")
    return text.removesuffix("/") if rest.startswith("/") else text


def _url_in_json(url: object, *, rest: str) -> str:
    return json.dumps(_before(url, rest=rest) + rest)


def _literal(value: object) -> str:
    """`value` in an expression of a query (OData URL Conventions 4.01 §5.1.1.14), percent-encoded."""
    if value is None:
        return "null"
    return quoted("'" + value.replace("'", "''") + "'" if isinstance(value, str) else value)
