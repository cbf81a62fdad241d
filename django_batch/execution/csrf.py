"""The CSRF token that sub-requests inherit, and the secret behind it, which any of them may renew."""

from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, parse_cookie
from django.middleware.csrf import CSRF_SESSION_KEY, CsrfViewMiddleware
from rest_framework.authentication import CSRFCheck

from django_batch.execution.cookies import Cookies


class CSRFToken:
    """The token in the header of `parent`, the request that carries the batch."""

    def __init__(self, parent: HttpRequest) -> None:
        self._parent = parent
        self._sent: str | None = parent.META.get(settings.CSRF_HEADER_NAME)
        self._cookie = parent.COOKIES.get(settings.CSRF_COOKIE_NAME)

    def header(self, cookie: str) -> dict[str, str]:
        """What changes in META for a sub-request with this Cookie header: as of a page that reads the cookie again.

        A token that was wrong stays wrong. One that was missing stays missing: whoever cannot read the cookie could not
        have sent it alone either.
        """
        if self._sent is None:
            return {}
        token = parse_cookie(cookie).get(settings.CSRF_COOKIE_NAME)
        if token is None or token == self._cookie or not self._is_valid:
            return {}
        return {settings.CSRF_HEADER_NAME: token}

    @cached_property
    def _is_valid(self) -> bool:
        """By Django's check of a copy: it writes into META, and takes any token where the method is a safe one."""
        request = type(self._parent).__new__(type(self._parent))
        vars(request).update(vars(self._parent), META={**self._parent.META}, method="PUT", csrf_processing_done=False)
        check = CSRFCheck(_no_response)
        check.process_request(request)
        return check.process_view(request, _no_response, (), {}) is None


def save_secret(parent: HttpRequest, cookies: Cookies) -> None:
    """Let sub-requests see the secret as it is, if it was renewed before them, as it is where a middleware logs in."""
    if parent.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        response = HttpResponse()
        CsrfViewMiddleware(_no_response).process_response(parent, response)
        cookies.take(response.cookies.values())
        parent.META["CSRF_COOKIE_NEEDS_UPDATE"] = True  # for the response of the batch, which has yet to be made


def renew_secret(parent: HttpRequest, cookies: Cookies) -> None:
    """Let `parent`, if it sets a secret, set the one that its client now has. Its own may have been renewed since."""
    if parent.META.get("CSRF_COOKIE_NEEDS_UPDATE"):
        kept = parent.session if settings.CSRF_USE_SESSIONS else parse_cookie(cookies.header(parent.path))
        name = CSRF_SESSION_KEY if settings.CSRF_USE_SESSIONS else settings.CSRF_COOKIE_NAME
        parent.META["CSRF_COOKIE"] = kept.get(name) or parent.META["CSRF_COOKIE"]


def _no_response(request: HttpRequest) -> HttpResponseBase:
    raise NotImplementedError("CSRFCheck answers nothing")  # pragma: no cover
