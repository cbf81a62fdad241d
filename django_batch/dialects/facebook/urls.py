"""The URLs of Facebook's operations: relative to a root, or taken from the answer to another operation.

A URL with references can only be checked in part when it is read. Its known parts are checked at once, so that most
mistakes are found before anything is run; the whole URL is checked when its references are filled in.
"""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import quote_plus

from django_batch.core.batch import Reference
from django_batch.core.paths import local_path, with_encoded_query
from django_batch.core.references import masked
from django_batch.dialects.facebook.references import as_segment, as_text, in_url, is_reference, may_refer
from django_batch.errors import Malformed

_ABSOLUTE = re.compile(r"https?://", re.IGNORECASE)
_VERSION = re.compile(r"v\d+\.\d+/")


class RelativeURLs:
    """Reads the URLs of one batch. `base` is the URL of the batch, and relative URLs start at the path `root`.

    With `versioned`, the API version that some SDKs put before each URL is dropped.
    """

    def __init__(self, *, base: str, root: str, versioned: bool) -> None:
        self._base = base
        self._root = root
        self._versioned = versioned

    def read(self, url: str, token: str, pointer: str) -> tuple[str, tuple[Reference, ...]]:
        """The path of `url` with the access `token`, and the references in it. Raises `Malformed`.

        `pointer` is the place of the operation that has this URL.
        """
        if may_refer(url):
            return self._with_references(url, token, pointer)
        path = url if _is_absolute(url) else self._root + self._behind_root(url)
        return self._local(_with_token(path, token), pointer), ()

    def _with_references(self, url: str, token: str, pointer: str) -> tuple[str, tuple[Reference, ...]]:
        """`read` for a URL with references, whose known parts are checked."""
        is_filled_first = url.startswith("{result=")  # the value is a whole URL, or the segment behind the root
        prefix = "" if is_filled_first or _is_absolute(url) else self._root
        url = self._behind_root(url) if prefix else url
        write = partial(_first_of_url, self._root, token if is_reference(url) else "")
        try:
            references = tuple(in_url(url, shift=len(prefix), write_first=write if is_filled_first else as_segment))
            path = prefix + url if is_reference(url) else _with_token(prefix + url, token)
            known = masked(path, references) if references else path
        except ValueError as error:
            raise Malformed(f"Here {error}.", pointer=f"{pointer}/relative_url") from None
        checked = self._local(known, pointer) if known else ""
        return checked if known == path else path, references

    def _behind_root(self, url: str) -> str:
        url = url.removeprefix("/")
        version = _VERSION.match(url) if self._versioned else None
        return url[version.end() :] if version else url

    def _local(self, url: str, pointer: str) -> str:
        try:
            return local_path(with_encoded_query(url), base=self._base)
        except Malformed as error:
            raise Malformed(error.detail, pointer=f"{pointer}/relative_url") from None


def _is_absolute(url: str) -> bool:
    return _ABSOLUTE.match(url) is not None


def _first_of_url(root: str, token: str, found: object) -> str:
    """The first part of a URL, from the values `found`: a whole URL, or a segment behind `root`."""
    text = as_text(found)
    if text.startswith("/") or _is_absolute(text):
        return _with_token(text, token)
    if "/" in text:
        raise ValueError("a value with a slash cannot stand in a path, unless it is a URL")
    return _with_token(root + as_segment(found), token)


def _with_token(url: str, token: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}access_token={quote_plus(token)}" if token else url
