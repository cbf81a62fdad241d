"""The inherited CSRF token follows its cookie, if it was right."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from django.middleware.csrf import CSRF_SESSION_KEY, rotate_token
from django.test import RequestFactory

from django_batch.execution.client.cookies import Cookies
from django_batch.execution.client.csrf import CSRFToken, renew_secret, save_secret

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


def test_token_that_was_missing_stays_so_where_nothing_is_checked():
    request = carries(OLD)
    request._dont_enforce_csrf_checks = True
    assert CSRFToken(request).header(f"csrftoken={NEW}") == {}


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


def renewed(parent):
    """Its secret was renewed before the batch, as where a middleware logs in."""
    rotate_token(parent)
    return parent.META["CSRF_COOKIE"]


def test_secret_that_was_renewed_before_the_batch_is_sent_to_subrequests():
    parent, cookies = carries(OLD, OLD), Cookies(f"csrftoken={OLD}", lambda: "http://testserver/batch/")
    secret = renewed(parent)
    save_secret(parent, cookies)
    assert cookies.header("/") == f"csrftoken={secret}"
    assert parent.META["CSRF_COOKIE_NEEDS_UPDATE"]


def test_secret_that_was_not_renewed_is_sent_as_it_was():
    cookies = Cookies(f"csrftoken={OLD}", lambda: "http://testserver/batch/")
    save_secret(carries(OLD, OLD), cookies)
    assert cookies.header("/") == f"csrftoken={OLD}"


@pytest.mark.parametrize(("kept", "expected"), [(f"csrftoken={NEW}", NEW), ("other=1", None)])
def test_batch_sets_the_secret_that_its_client_has_now(kept, expected):
    parent = carries(OLD, OLD)
    secret = renewed(parent)
    renew_secret(parent, Cookies(kept, lambda: "http://testserver/batch/"))
    assert parent.META["CSRF_COOKIE"] == (expected or secret)


@pytest.mark.parametrize("cookie_path", ["/", "/pages/"])
def test_secret_that_was_thrown_away_since_is_not_set_again(settings, cookie_path):
    settings.CSRF_COOKIE_PATH = cookie_path
    parent, cookies = carries(OLD, OLD), Cookies("", lambda: "http://testserver/batch/")
    secret = renewed(parent)
    save_secret(parent, cookies)
    renew_secret(parent, cookies)
    assert (parent.META["CSRF_COOKIE"], bool(parent.META["CSRF_COOKIE_NEEDS_UPDATE"])) == (secret, True)
    deleted = SimpleCookie({"csrftoken": ""})["csrftoken"]
    deleted.update({"path": cookie_path, "max-age": "0"})
    cookies.take([deleted])
    renew_secret(parent, cookies)
    assert "CSRF_COOKIE_NEEDS_UPDATE" not in parent.META


def test_secret_in_the_session_is_found_there(settings):
    settings.CSRF_USE_SESSIONS = True
    parent = carries()
    parent.session = {}
    renewed(parent)
    parent.session = {CSRF_SESSION_KEY: NEW}
    renew_secret(parent, Cookies("", lambda: "http://testserver/batch/"))
    assert parent.META["CSRF_COOKIE"] == NEW


def test_batch_that_sets_no_secret_goes_on_setting_none():
    parent = carries(OLD, OLD)
    renew_secret(parent, Cookies(f"csrftoken={NEW}", lambda: "http://testserver/batch/"))
    assert "CSRF_COOKIE" not in parent.META
