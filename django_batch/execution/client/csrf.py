"""The check of what other sites can send, the CSRF token that sub-requests inherit, and the secret behind it."""

from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, parse_cookie
from django.middleware.csrf import CSRF_SESSION_KEY, CsrfViewMiddleware
from rest_framework.authentication import CSRFCheck
from rest_framework.exceptions import PermissionDenied

from django_batch.execution.client.cookies import Cookies
from django_batch.execution.internals import marks_of_tests, origin_is_trusted, parsed_form

_FIELD = "csrfmiddlewaretoken"
_EXCUSED = "_dont_enforce_csrf_checks"
_SAVED = "saved before the sub-requests"  # true, as what Django says of a secret that is to be set
# Schemes of Authorization that a browser adds by itself once its user has logged in. A script sets any other, and has
# to ask the site before it may.
_AMBIENT_SCHEMES = ("", "basic", "digest", "negotiate", "ntlm")


def check_sender(request: HttpRequest) -> None:
    """Raise `PermissionDenied` if a page of another site may have sent `request` without asking this one.

    Sub-requests have the cookies of `request`, whatever it was authenticated by. Without any, it is enough to know that
    no browser says it comes from elsewhere: in a batch a form would reach what no form reaches alone.
    """
    if marks_of_tests(request).get(_EXCUSED):
        return
    scheme = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[0].lower()
    is_ambient = scheme in _AMBIENT_SCHEMES
    own = {settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME}
    objection = None
    if not own.isdisjoint(request.COOKIES) or (request.COOKIES and is_ambient):
        objection = _objection(request, method="POST")
    elif is_ambient and "HTTP_ORIGIN" in request.META:
        trusted = origin_is_trusted(CSRFCheck(_no_response), request)
        objection = None if trusted else "Its origin is another site."
    if objection:
        raise PermissionDenied(f"CSRF Failed: {objection}")


def _objection(request: HttpRequest, *, method: str) -> object:
    """The objection of Django's check, made to a copy: it writes into META, and takes any token for a safe method."""
    copied = type(request).__new__(type(request))
    vars(copied).update(vars(request), META={**request.META}, method=method, csrf_processing_done=False)
    vars(copied)[_EXCUSED] = marks_of_tests(request).get(_EXCUSED, False)
    check = CSRFCheck(_no_response)
    check.process_request(copied)
    return check.process_view(copied, _no_response, (), {})


class CSRFToken:
    """The token of `parent`, the request that carries the batch: in the form that it is, or in its header."""

    def __init__(self, parent: HttpRequest) -> None:
        self._parent = parent

    def header(self, cookie: str) -> dict[str, str]:
        """The changes in META for a sub-request with this Cookie header, as if a page had read the cookie again.

        A wrong token stays wrong. A missing one stays missing, because a page that cannot read the cookie could not
        have sent it alone either.
        """
        if not self._field and settings.CSRF_HEADER_NAME not in self._parent.META:
            return {}
        token = parse_cookie(cookie).get(settings.CSRF_COOKIE_NAME)
        sent = self._parent.COOKIES.get(settings.CSRF_COOKIE_NAME)
        if token is None or token == sent or not self._is_valid:
            return {settings.CSRF_HEADER_NAME: self._field} if self._field else {}
        return {settings.CSRF_HEADER_NAME: token}

    @cached_property
    def _field(self) -> str | None:
        field: str | None = parsed_form(self._parent).get(_FIELD)
        return field

    @cached_property
    def _is_valid(self) -> bool:
        # Only of a POST does Django look into the form, and would read one that has not been.
        return _objection(self._parent, method="POST" if self._field else "PUT") is None


def save_secret(parent: HttpRequest, cookies: Cookies) -> None:
    """Let sub-requests see a secret that was renewed before them, for example by a middleware that logs in."""
    if parent.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        response = HttpResponse()
        CsrfViewMiddleware(_no_response).process_response(parent, response)
        cookies.take(response.cookies.values())
        parent.META["CSRF_COOKIE_NEEDS_UPDATE"] = _SAVED  # for the response of the batch, which has yet to be made


def renew_secret(parent: HttpRequest, cookies: Cookies) -> None:
    """Let `parent`, if it sets a secret, set the one that its client now has. Its own may have been renewed since.

    If the secret was thrown away since, for example by a logout that ended its session, none is set.
    """
    if needed := parent.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        in_cookie = parse_cookie(cookies.header(settings.CSRF_COOKIE_PATH)).get(settings.CSRF_COOKIE_NAME)
        kept = parent.session.get(CSRF_SESSION_KEY) if settings.CSRF_USE_SESSIONS else in_cookie
        if kept:
            parent.META["CSRF_COOKIE"] = kept
        elif needed is _SAVED:
            del parent.META["CSRF_COOKIE_NEEDS_UPDATE"]


def _no_response(request: HttpRequest) -> HttpResponseBase:
    raise NotImplementedError("CSRFCheck answers nothing")  # pragma: no cover
