"""django-csp: each item has the policy of its own page, and the batch that of the site."""

from __future__ import annotations

import re

from csp.constants import NONCE
from csp.decorators import csp_exempt, csp_update
from django.http import HttpResponse
from django.urls import path

from tests.packages.shop import urls

HEADER = "Content-Security-Policy"


def plain(request):
    return HttpResponse("plain")


@csp_update({"script-src": [NONCE]})
def nonce(request):
    return HttpResponse(str(request.csp_nonce))


urlpatterns = [*urls.urlpatterns, path("plain/", plain), path("nonce/", nonce), path("exempt/", csp_exempt()(plain))]

PATHS = ["/plain/", "/nonce/", "/exempt/", "/nonce/"]


def test_items_have_the_policies_of_their_requests_alone(site, road):
    client = site.client(road)
    alone = [client.get(each) for each in PATHS]
    answers = client.batch([{"path": each} for each in PATHS], parallel=True)
    assert [_policy(each["headers"]) for each in answers] == [_policy(each.headers) for each in alone]
    assert [_policy(each.headers) for each in alone].count(None) == 1


def test_each_item_has_a_nonce_of_its_own_which_is_in_its_policy(site, road):
    _, first, _, second = site.client(road).batch([{"path": each} for each in PATHS], parallel=True)
    assert first["body"] != second["body"]
    assert f"'nonce-{first['body']}'" in first["headers"][HEADER]
    assert f"'nonce-{second['body']}'" in second["headers"][HEADER]


def test_batch_has_the_policy_of_the_site(site, road):
    response = site.client(road).send_batch({"requests": [{"path": "/exempt/"}]})
    assert response.headers[HEADER] == "default-src 'self'"


def _policy(headers):
    """The policy, without its nonce."""
    return re.sub("'nonce-[^']+'", "'nonce'", headers[HEADER]) if HEADER in headers else None
