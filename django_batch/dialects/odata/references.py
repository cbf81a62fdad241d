"""References as OData writes them: `$ID`, which stands for a URL, an ETag or a value of the answer to ID.

They are looked for only where the standard has them (OData Protocol 4.01 §11.7.3 to §11.7.5), and values only of what
an item depends on. Any other dollar is a dollar.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from urllib.parse import unquote, urljoin

from django_batch.core.batch import Reference
from django_batch.core.documents import Document, Query
from django_batch.core.documents import pointer as json_pointer
from django_batch.core.media_types import charset_of, is_json
from django_batch.core.references import JSON_STRING, quoted, text_of
from django_batch.dialects.odata.urls import reference_in
from django_batch.errors import Malformed

_ETAGS = {"if-match", "if-none-match"}
_IN_QUERY = re.compile(r"(?:(?<=[=(,+])|(?<=%2[08Cc]))\$([\w.~-]+)((?:/[\w.~@-]+)+)")
# A string, with the colon behind the name of a member; or one that never ends, to the end: a text may be no JSON.
_IN_BODY = re.compile(JSON_STRING + rb'(\s*+:)?+|".*+|[{}\]]', re.DOTALL)
_MAY_HAVE_ONE = re.compile(rb'"(?:\$|\\u0024)')
_WHOLE = re.compile(r"\$([^/]+)((?:/[\w.~@-]+)*)")
_IDS, _BINDS = (b'"@id"', b'"@odata.id"'), (b'@bind"', b'@odata.bind"')  # members whose value is the URL of an entity
_MAX_REFERENCES = 1_000  # of one item


def references(
    path: str,
    headers: Iterable[tuple[str, str]],
    body: bytes | memoryview,
    ids: Collection[str],
    *,
    values: bool,
    pointer: str,
) -> tuple[Reference, ...]:
    """Those of an item whose URL was resolved to `path`, in the order of their spans. `ids` are those it depends on.

    Without `values`, only URLs and ETags are filled in, for which no text that an end user types can be taken.
    Raises `Malformed` for too many.
    """
    found = [*in_path(path, ids if values else ()), *in_headers(headers)]
    if ids and body and _is_json_in_utf_8(headers):
        found += islice(in_body(body, ids, values=values), _MAX_REFERENCES + 1)
    if len(found) > _MAX_REFERENCES:
        raise Malformed(f"An item has at most {_MAX_REFERENCES} references.", pointer=pointer)
    return tuple(found)


def may_refer(path: str, headers: Iterable[tuple[str, str]]) -> bool:
    """Whether an item that depends on nothing can have any, by its path or a value that begins with a dollar.

    Asked first, as few have: a tenth of reading an item.
    """
    return path[0] != "/" or any(value[:1] == "$" for _, value in headers)


def _is_json_in_utf_8(headers: Iterable[tuple[str, str]]) -> bool:
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    return is_json(content_type) and charset_of(content_type) in (None, "utf-8")


def in_path(path: str, ids: Collection[str]) -> Iterator[Reference]:
    """The entity that a path begins with, whatever its id, and values `$ID/NAME` of `ids` in its query."""
    if first := reference_in(path):
        write = partial(_before, rest=path[first.end() :])
        yield Reference("path", 0, first.end(), unquote(first[1]), _entity, first[0], write)
    for found in _IN_QUERY.finditer(path, path.find("?") + 1 or len(path)) if ids else ():
        if found[1] in ids:
            is_whole = path[found.start() - 1] == "=" and path[found.end() : found.end() + 1] in ("", "&")
            yield Reference(
                "path", *found.span(), found[1], _value(found[2]), found[0], quoted if is_whole else _literal
            )


def in_headers(headers: Iterable[tuple[str, str]]) -> Iterator[Reference]:
    """The ETags `$ID`. No other can begin so: an ETag is quoted."""
    for name, value in headers:
        if name.lower() in _ETAGS and value.startswith("$"):
            yield Reference(f"headers/{name}", 0, len(value), value[1:], _etag, value)


def may_be_in(body: bytes | memoryview) -> bool:
    """Whether it is worth while to look for references in a JSON text."""
    return _MAY_HAVE_ONE.search(body) is not None


def in_body(body: bytes | memoryview, ids: Collection[str], *, values: bool) -> Iterator[Reference]:
    """The strings of a JSON text that are a reference to one of `ids` from end to end, but for the names of members."""
    if not may_be_in(body):
        return
    of_entity = False  # whether the member is, whose value or array is being read
    for found in _IN_BODY.finditer(body):
        token, colon = found[0], found[1]
        if not token.startswith(b'"'):
            of_entity = False
        elif colon is not None:
            name = token[: -len(colon)]
            of_entity = name in _IDS or name.endswith(_BINDS)
        elif token.startswith((b'"$', b'"\\')) and (whole := _WHOLE.fullmatch(_text(token))) and whole[1] in ids:
            if of_entity:
                write = partial(_url_in_json, rest=whole[2])
                yield Reference("body", *found.span(), whole[1], _entity, whole[0], write)
            elif values:
                yield Reference("body", *found.span(), whole[1], _value(whole[2]), whole[0])


def _text(token: bytes) -> str:
    """The string that a token of JSON is. Empty for one that is none: nobody has checked the text it stands in."""
    try:
        text: str = json.loads(token.decode())
    except ValueError:
        return ""
    return text


def _entity(answer: object) -> str:
    """The URL of what was created, its `Location`; else of what was returned, for which it was asked."""
    assert isinstance(answer, Document)
    return urljoin(answer.path.partition("?")[0], _headers(answer).get("location", ""))


def _etag(answer: object) -> str:
    return _headers(answer)["etag"]


def _headers(answer: object) -> dict[str, str]:
    """The headers of an answer, by their names in lower case."""
    assert isinstance(answer, Document)
    return {name.lower(): value for name, value in answer.headers.items()}


def _value(path: str) -> Query:
    return json_pointer("/body" + path.replace("~", "~0"))


def _before(url: object, *, rest: str) -> str:
    """`url` as it stands before `rest`: one slash is enough between them, where a site ends its URLs with one."""
    text = text_of(url)
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
