"""Requests that are told what Django would read from their environ again, as all of a batch have it in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest, get_path_info
from django.core.signals import setting_changed
from django.dispatch import receiver
from django.http import HttpHeaders, QueryDict
from django.utils.functional import cached_property

from django_batch.core.batch import Subrequest
from django_batch.execution.chain.resolving import Matches
from django_batch.sharing.lookups import Lookups


@dataclass
class Common:
    """What the sub-requests of one batch have in common, whatever their headers are."""

    credentials: Lookups
    matches: Matches = field(default_factory=dict)
    host: str = ""  # as it is sent, once Django has allowed it


class LeanRequest(WSGIRequest):
    """A `WSGIRequest` that is told what it would find out once more.

    A middleware may change META as it likes: it is told nothing that it would not find there.
    """

    _batch_subrequest: Subrequest
    _batch_template: Template
    _batch_own: Mapping[str, Any]  # of META, as it was made

    @cached_property
    def _stream(self) -> LimitedStream:  # type: ignore[override]  # as WSGIRequest has it
        """Made when it is read, as few are."""
        return LimitedStream(self._batch_own["wsgi.input"], int(self._batch_own["CONTENT_LENGTH"]))

    def get_host(self) -> str:
        """The host that was found to be allowed last, if this one is the same: 7 % of a plain view."""
        common = self._batch_template.common
        known = common.host  # once, as others may find another at the same time
        if not known or self._get_raw_host() != known:  # type: ignore[attr-defined]
            common.host = known = super().get_host()
        return known

    @cached_property
    def headers(self) -> HttpHeaders:
        """Of META as it is now, but for the spelling of their names: 7 % of a trivial view of REST framework."""
        meta, headers = self.META, HttpHeaders.__new__(HttpHeaders)
        headers._store = {lowered: (name, meta[key]) for key, lowered, name in _header_names(tuple(meta))}
        return headers

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]  # noqa: N802
        """A copy of those that were read from the same header: 2 % of a plain view."""
        known = self._batch_template.request
        if self.environ.get("HTTP_COOKIE") == known.environ.get("HTTP_COOKIE"):
            return known.COOKIES.copy()
        return super().COOKIES

    @cached_property
    def GET(self) -> QueryDict:  # type: ignore[override]  # noqa: N802
        """Made as a copy, where there is no query: 3 % of a trivial view of REST framework."""
        if self.environ.get("QUERY_STRING"):
            return super().GET
        empty = QueryDict.__new__(QueryDict)
        vars(empty).update(_without_query(self._encoding))  # type: ignore[attr-defined]
        return empty


@lru_cache(maxsize=64)
def _without_query(encoding: str | None) -> dict[str, Any]:
    return vars(QueryDict(encoding=encoding))


@receiver(setting_changed)
def _forget_charset(**kwargs: object) -> None:
    _without_query.cache_clear()


@lru_cache(maxsize=64)
def _header_names(keys: tuple[str, ...]) -> list[tuple[str, str, str]]:
    """Those of `keys` that are headers, in lower case, and as Django spells them."""
    names = [(key, HttpHeaders.parse_header_name(key)) for key in keys]
    return [(key, name.lower(), name) for key, name in names if name]


class SharingRequest(LeanRequest):
    """One whose session and user are looked for in its credentials first."""

    @property
    def session(self) -> SessionBase:
        """What `SessionMiddleware` has set."""
        try:
            session: SessionBase = self.__dict__["session"]
        except KeyError:
            raise self._missing("session") from None
        return session

    @session.setter
    def session(self, session: SessionBase) -> None:
        self._batch_template.common.credentials.share_session(session)
        self.__dict__["session"] = session

    @session.deleter
    def session(self) -> None:
        del self.__dict__["session"]

    @property
    def _cached_user(self) -> Any:
        """Where Django looks before it loads the user of the session, and what it sets to the one it has loaded."""
        if "_cached_user" not in self.__dict__:
            user = self._batch_template.common.credentials.user_of(self.session)
            if not user:
                raise self._missing("_cached_user")
            self.__dict__["_cached_user"] = user
        return self.__dict__["_cached_user"]

    @_cached_user.setter
    def _cached_user(self, user: Any) -> None:
        self._batch_template.common.credentials.keep_user(user, self.session)
        self.__dict__["_cached_user"] = user

    @_cached_user.deleter
    def _cached_user(self) -> None:
        del self.__dict__["_cached_user"]

    def _missing(self, name: str) -> AttributeError:
        return AttributeError(f"this request has no attribute {name!r}", name=name, obj=self)


class _OnASGI(ASGIRequest):
    """Of ASGI's kind too, for whoever asks of which kind a request is, as Django's `RemoteUserMiddleware` does."""

    _batch_scope: dict[str, Any]  # of the request that carries the batch
    _batch_subrequest: Subrequest

    @cached_property
    def scope(self) -> dict[str, Any]:  # type: ignore[override]  # as ASGIRequest has it
        """As a server would tell of it. Made when it is read, which few do."""
        headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in self.headers.items()]
        return {
            **self._batch_scope,
            "method": self.method,
            "path": self.path,
            "raw_path": self._batch_subrequest.path.partition("?")[0].encode(),
            "query_string": self.META["QUERY_STRING"].encode("latin-1"),
            "headers": headers,
        }


class LeanASGIRequest(LeanRequest, _OnASGI):  # type: ignore[misc]  # GET is as WSGIRequest has it
    """A `LeanRequest` under ASGI."""


class SharingASGIRequest(SharingRequest, _OnASGI):  # type: ignore[misc]
    """A `SharingRequest` under ASGI."""


UNDER_WSGI = LeanRequest, SharingRequest
UNDER_ASGI = LeanASGIRequest, SharingASGIRequest


class Template:
    """Makes requests that differ in nothing but path, method and body. `request` is one of them, made by Django itself.

    `given` are attributes that all of them have besides.
    """

    def __init__(self, request: WSGIRequest, kind: type[LeanRequest], common: Common, given: Mapping[str, Any]) -> None:
        self.request = request
        self.common = common
        self._kind = kind
        # Not a dict that Python has made for the class, as it is slower with those: 1 % of a plain view.
        self._fields = {**vars(request), **given}
        del self._fields["_stream"]

    def make(self, subrequest: Subrequest, own: Mapping[str, Any]) -> LeanRequest:
        """As `WSGIRequest(environ)`, at half of what that takes: nothing is parsed again.

        `own` are the keys of META in which it differs. It knows its `subrequest`, by which a batch view knows it.
        """
        environ = {**self.request.environ, **own}
        path_info = environ["PATH_INFO"]
        if not path_info or not path_info.isascii():
            environ["PATH_INFO"] = path_info = get_path_info(environ) or "/"
        request = self._kind.__new__(self._kind)
        request.__dict__ = fields = self._fields.copy()
        fields["environ"] = fields["META"] = environ
        fields["method"] = environ["REQUEST_METHOD"]
        fields["path_info"] = path_info
        fields["path"] = self.request.path + path_info[1:]
        fields["content_params"] = fields["content_params"].copy()
        fields["_batch_subrequest"] = subrequest
        fields["_batch_template"] = self
        fields["_batch_own"] = own
        return request
