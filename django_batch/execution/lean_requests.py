"""Requests that are told what Django would read from their environ again, as all of a batch have it in common."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import LimitedStream, WSGIRequest, get_path_info
from django.utils.functional import cached_property

from django_batch.core.messages import Subrequest
from django_batch.execution.credentials import Credentials


class LeanRequest(WSGIRequest):
    """A `WSGIRequest` that has been told what it would read from its environ, and makes its stream when it is read."""

    credentials: Credentials

    @cached_property
    def _stream(self) -> LimitedStream:  # type: ignore[override]  # as WSGIRequest has it
        return LimitedStream(self.environ["wsgi.input"], int(self.environ["CONTENT_LENGTH"]))


class SharingRequest(LeanRequest):
    """One whose session and user are looked for in its credentials first."""

    @property
    def session(self) -> SessionBase:
        """What `SessionMiddleware` has set."""
        return cast("SessionBase", self._set("session"))

    @session.setter
    def session(self, session: SessionBase) -> None:
        self.credentials.share_session(session)
        self.__dict__["session"] = session

    @session.deleter
    def session(self) -> None:
        del self.__dict__["session"]

    @property
    def _cached_user(self) -> Any:
        """Where Django looks before it loads the user of the session, and what it sets to the one it has loaded."""
        if "_cached_user" not in self.__dict__ and (user := self.credentials.user_of(self.session)):
            self.__dict__["_cached_user"] = user
        return self._set("_cached_user")

    @_cached_user.setter
    def _cached_user(self, user: Any) -> None:
        self.credentials.keep_user(user, self.session)
        self.__dict__["_cached_user"] = user

    @_cached_user.deleter
    def _cached_user(self) -> None:
        del self.__dict__["_cached_user"]

    def _set(self, name: str) -> Any:
        try:
            return self.__dict__[name]
        except KeyError:
            raise AttributeError(f"this request has no attribute {name!r}", name=name, obj=self) from None


class _OnASGI(ASGIRequest):
    """Of ASGI's kind too, for whoever asks of which kind a request is, as Django's `RemoteUserMiddleware` does."""

    parent_scope: dict[str, Any]  # of the request that carries the batch
    subrequest: Subrequest

    @cached_property
    def scope(self) -> dict[str, Any]:  # type: ignore[override]  # as ASGIRequest has it
        """As a server would tell of it. Made when it is read, which few do."""
        headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in self.headers.items()]
        return {
            **self.parent_scope,
            "method": self.method,
            "path": self.path,
            "raw_path": self.subrequest.path.partition("?")[0].encode(),
            "query_string": self.META["QUERY_STRING"].encode("latin-1"),
            "headers": headers,
        }


class LeanASGIRequest(LeanRequest, _OnASGI):
    """A `LeanRequest` under ASGI."""


class SharingASGIRequest(SharingRequest, _OnASGI):
    """A `SharingRequest` under ASGI."""


UNDER_WSGI = LeanRequest, SharingRequest
UNDER_ASGI = LeanASGIRequest, SharingASGIRequest


def lean(template: WSGIRequest, environ: dict[str, Any], subrequest: Subrequest) -> WSGIRequest:
    """As `WSGIRequest(environ)`, of which `template` has what does not depend on path, method and body.

    It knows its `subrequest`, by which a batch view knows it. Half of what Django takes: nothing is parsed again.
    """
    path_info = environ["PATH_INFO"]
    if not path_info or not path_info.isascii():
        environ["PATH_INFO"] = path_info = get_path_info(environ) or "/"
    kind = type(template)
    request = kind.__new__(kind)
    request.__dict__ = fields = template.__dict__.copy()
    fields["environ"] = fields["META"] = environ
    fields["method"] = environ["REQUEST_METHOD"]
    fields["path_info"] = path_info
    fields["path"] = template.path + path_info[1:]
    fields["content_params"] = fields["content_params"].copy()
    fields["subrequest"] = subrequest
    return request
