"""The inherited CSRF token follows its cookie, if it was right."""

from __future__ import annotations

import pytest
from django.middleware.csrf import rotate_token
from django.test import RequestFactory

from django_batch.execution.csrf import CSRFToken

OLD, NEW, WRONG = "a" * 32, "b" * 32, "c" * 32
MASKED = "S" * 32 + "S" * 32  # a masked token, of a secret of only a's


def carries(cookie=None, token=None, method="POST", **environ):
    """The request that carries the batch."""
    request = RequestFactory().generic(method, "/batch/", headers={"X-CSRFToken": token} if token else {}, **environ)
    if cookie is not None:
        request.COOKIES["csrftoken"] = cookie
    return request


TOKENS = [
    # cookie and token of the batch, cookie of the sub-request, what its token becomes
    (OLD, OLD, OLD, None),
    (OLD, OLD, NEW, NEW),
    (OLD, MASKED, NEW, NEW),
    (OLD, OLD, None, None),
    (OLD, WRONG, NEW, None),
    (OLD, WRONG, WRONG, None),
    (OLD, "", NEW, None),
    (OLD, "no token", NEW, None),
    (OLD, None, NEW, None),
    (None, OLD, NEW, None),
    (None, NEW, NEW, None),
    (None, None, NEW, None),
    ("no cookie", OLD, NEW, None),
    ("no cookie", "no cookie", NEW, None),
]


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(("cookie", "token", "later_cookie", "later_token"), TOKENS)
def test_token_follows_the_cookie_if_it_was_right(cookie, token, later_cookie, later_token, method):
    header = "other=1" if later_cookie is None else f"other=1; csrftoken={later_cookie}"
    expected = {} if later_token is None else {"HTTP_X_CSRFTOKEN": later_token}
    assert CSRFToken(carries(cookie, token, method)).header(header) == expected


@pytest.mark.parametrize(
    "environ",
    [
        {"HTTP_ORIGIN": "https://evil.example"},
        {"HTTP_ORIGIN": "null"},
        {"secure": True},
        {"secure": True, "HTTP_REFERER": "https://evil.example/"},
    ],
)
def test_right_token_from_another_origin_does_not_follow(environ):
    assert CSRFToken(carries(OLD, OLD, **environ)).header(f"csrftoken={NEW}") == {}


def test_header_of_another_name_follows_too(settings):
    settings.CSRF_HEADER_NAME = "HTTP_X_XSRF_TOKEN"
    settings.CSRF_COOKIE_NAME = "xsrf"
    request = RequestFactory().post("/batch/", headers={"X-XSRF-Token": OLD, "X-CSRFToken": WRONG})
    request.COOKIES["xsrf"] = OLD
    assert CSRFToken(request).header(f"xsrf={NEW}; csrftoken={WRONG}") == {"HTTP_X_XSRF_TOKEN": NEW}


def test_token_of_the_batch_itself_is_left_as_it_is():
    request = carries(OLD, OLD)
    rotate_token(request)
    renewed = dict(request.META)
    assert CSRFToken(request).header(f"csrftoken={NEW}") == {"HTTP_X_CSRFTOKEN": NEW}
    assert renewed == request.META
    assert not hasattr(request, "csrf_processing_done")
