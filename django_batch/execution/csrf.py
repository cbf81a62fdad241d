"""The CSRF token that sub-requests inherit: when one of them renews the cookie, it follows."""

from __future__ import annotations

from functools import cached_property

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, parse_cookie
from rest_framework.authentication import CSRFCheck


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
        check = CSRFCheck(_no_response)
        check.process_request(self._parent)
        return check.process_view(self._parent, _no_response, (), {}) is None


def _no_response(request: HttpRequest) -> HttpResponseBase:
    raise NotImplementedError("CSRFCheck answers nothing")  # pragma: no cover
