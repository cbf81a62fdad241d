"""The URLs of OData's items (OData Protocol 4.01 §11.7.7.1 and OData JSON 4.01 §19.1).

A URL may be absolute, relative to the host, relative to the service root, or begin with a reference to another item.
Microsoft Graph treats URLs with a leading slash as relative to its version prefix, which the standard does not.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit

from django_batch.core.media_types import kept
from django_batch.core.paths import is_plain, local_path, with_encoded_query

_WITH_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FIRST_SEGMENT = re.compile(r"(?:\$|%24)([^/?(]+)(?=[/?]|$)")
_SYSTEM_NAMES = {"batch", "crossjoin", "all", "entity", "root", "id", "metadata"}


def reference_in(url: str) -> re.Match[str] | None:
    """The match of the first segment of `url`, if it is a reference `$ID`. Group 1 is the id."""
    if url[:1] not in ("$", "%"):
        return None
    found = _FIRST_SEGMENT.match(url)
    return None if found and found[1] in _SYSTEM_NAMES else found


def may_be_reference(path: str) -> bool:
    """Whether a segment of `path` may be a reference."""
    return "/$" in path or "/%24" in path


@dataclass(frozen=True, slots=True)
class ServiceRoot:
    """The root of relative URLs: `path`, or by default the URL of the batch without its last segment.

    With a `path` such as "/v1.0/", URLs with a leading slash are relative to it too, as in Microsoft Graph. Exceptions
    are URLs that already begin with `path`, and those that begin with one of `host_relative`.
    """

    path: str | None = None
    host_relative: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in (self.path or "/", *self.host_relative):
            if not path.startswith("/") or not path.endswith("/"):
                raise ValueError(f"{path!r} must begin and end with a slash, like '/v1.0/'.")

    def resolve(self, url: str, *, base: str, known: Collection[str] = ()) -> str:
        """The path and query of `url` on the host of `base`, the absolute URL of the batch.

        A URL that begins with a reference stays relative until the reference is filled in. The reference may also stand
        behind the root, as in `/svc/$1`, if its id is `known`. Raises `Malformed` if `url` cannot be read, or leads to
        another host.
        """
        path = self._path(url, base)
        if may_be_reference(path):
            root = self.path or _root_of(base)
            found = reference_in(path[len(root) :]) if path.startswith(root) else None
            if found and unquote(found[1]) in known:
                return path[len(root) :]
        return path

    def prefixes(self, base: str) -> tuple[str, str]:
        """The root as an absolute URL and as a path, for a batch whose own URL is `base`."""
        root = self.path or _root_of(base)
        return f"{_origin_of(base)}{root}", root

    def _path(self, url: str, base: str) -> str:
        if self.path is None and is_plain(url):
            return url
        origin = _origin_of(base)
        if url.startswith(origin) and is_plain(path := url[len(origin) :]):  # many clients write absolute URLs
            return path
        # Even the standard's examples have blanks in URLs, also in keys: `Items(name='a b')`.
        url = with_encoded_query(url).replace(" ", "%20")
        return url if reference_in(url) else local_path(self._on_host(url, base), base=base)

    def _on_host(self, url: str, base: str) -> str:
        if url.startswith("/"):
            stays = self.path is None or url.startswith((self.path, "//", *self.host_relative))
            return url if stays else f"{self.path}{url[1:]}"
        if _WITH_SCHEME.match(url):
            return url
        root = self.path or _root_of(base)
        # `urljoin` would take the colon in `Notes(at=10:30)` for the end of a scheme, so it is used only for dots.
        return urljoin(urljoin(base, root), url) if url.startswith(".") else root + url


@kept(maxsize=16)
def _origin_of(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


@kept(maxsize=16)
def _root_of(base: str) -> str:
    return urlsplit(base).path.rstrip("/").rpartition("/")[0] + "/"
