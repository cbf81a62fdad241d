"""Where the URLs of OData's items lead: from the host, from the service root, or from what another item has answered.

OData Protocol 4.01 §11.7.7.1 and OData JSON 4.01 §19.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urljoin, urlsplit

from django_batch.core.paths import is_plain, local_path

_WITH_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FIRST_SEGMENT = re.compile(r"(?:\$|%24)([^/?(]+)(?=[/?]|$)")
_SYSTEM_NAMES = {"batch", "crossjoin", "all", "entity", "root", "id", "metadata"}


def reference_in(url: str) -> re.Match[str] | None:
    """The first segment of `url`, if it is a reference `$ID`. Its group 1 is the id."""
    if url[:1] not in ("$", "%"):
        return None
    found = _FIRST_SEGMENT.match(url)
    return None if found and found[1] in _SYSTEM_NAMES else found


@dataclass(frozen=True, slots=True)
class ServiceRoot:
    """What the URLs of items are relative to: by default, the URL of the batch without its last segment.

    With a `path` such as "/v1.0/" it is that, and URLs with a leading slash are taken under it too, as Microsoft Graph
    takes them: all but those that are under it as they stand, or that begin with one of `host_relative`.
    """

    path: str | None = None
    host_relative: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in (self.path or "/", *self.host_relative):
            if not path.startswith("/") or not path.endswith("/"):
                raise ValueError(f"{path!r} must begin and end with a slash, as '/v1.0/' does.")

    def resolve(self, url: str, *, base: str) -> str:
        """The path and query of `url` on the host of `base`, the absolute URL of the batch.

        One that begins with a reference stays relative until it is filled in. Raises `Malformed` for what leads to
        another host, or nowhere.
        """
        if self.path is None and is_plain(url):
            return url
        origin = _origin_of(base)
        if url.startswith(origin) and is_plain(path := url[len(origin) :]):  # as many clients write it
            return path
        url = url.replace(" ", "%20")  # as in the standard's own examples of `$filter`
        return url if reference_in(url) else local_path(self._on_host(url, base), base=base)

    def _on_host(self, url: str, base: str) -> str:
        if url.startswith("/"):
            stays = self.path is None or url.startswith((self.path, "//", *self.host_relative))
            return url if stays else f"{self.path}{url[1:]}"
        if _WITH_SCHEME.match(url):
            return url
        root = self.path or _root_of(base)
        # Only joined where it has to be: a colon, as in `Notes(at=10:30)`, would be taken for the end of a scheme.
        return urljoin(urljoin(base, root), url) if url.startswith(".") else root + url


@lru_cache(maxsize=16)
def _origin_of(base: str) -> str:
    parts = urlsplit(base)
    return f"{parts.scheme}://{parts.netloc}"


@lru_cache(maxsize=16)
def _root_of(base: str) -> str:
    return urlsplit(base).path.rstrip("/").rpartition("/")[0] + "/"
