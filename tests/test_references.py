"""References, from one real answer into the next real request."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode

import pytest
from django.http import HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.native import queries
from django_batch.testing import BatchClient
from example_project.bookshop.models import Book, Order
from tests.bank.batches import fates
from tests.roads import ROADS

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

AWKWARD = '/?#%&=+;.{}"\\\r\n\t\0 é\u2028\U0001f600'


@csrf_exempt
def mirror(request):
    """What was sent."""
    return HttpResponse(request.body, content_type=request.content_type)


def show(request, segment):
    """The parts of a request that a reference can stand in."""
    return JsonResponse(
        {
            "segment": segment,
            "query": list(request.GET.lists()),
            "header": request.headers.get("X-Request-ID", "").encode("latin-1").decode(),
        }
    )


urlpatterns = [
    path("mirror/", mirror),
    path("show/<str:segment>/", show),
    path("", include("example_project.urls")),
]


@pytest.fixture
def ada():
    client = BatchClient()
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    return client


def answering(value):
    """An item "a" that is answered with `value` as its JSON body."""
    return {"id": "a", "method": "POST", "path": "/mirror/", "body": value}


def echo(**members):
    return {"method": "POST", "path": "/api/echo/", "depends_on": "a", **members}


def arrived(answer):
    """The bytes of the body that a view has got."""
    return b64decode(answer["body"]["body_base64"])


def test_related_objects_are_saved_in_one_batch(bookshop):
    staff = BatchClient()
    staff.credentials(HTTP_AUTHORIZATION="Token staff-token")
    book = {"title": "Rocannon's World", "isbn": "9780441732913", "published": 1966, "price": "7.50"}
    author, created, listed = staff.batch(
        [
            {"id": "author", "method": "POST", "path": "/api/authors/", "body": {"name": "Ursula"}},
            {
                "id": "book",
                "method": "POST",
                "path": "/api/books/",
                "depends_on": ["author"],
                "body": {"author": {"$ref": "author#/body/id"}, **book},
            },
            {"path": "/api/authors/{author#/body/id}/books/?page_size=5", "depends_on": ["author", "book"]},
        ],
        atomic=True,
    )
    assert created["body"]["author"] == author["body"]["id"]
    assert listed["body"]["results"] == [created["body"]]
    assert Book.objects.get(isbn="9780441732913").author.name == "Ursula"


# What is not a reference stays as it is; what a reference brings adds nothing of its own.


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.text() | st.sampled_from(['{"$ref":"a#/body"}', "{a#/body}", "$ref"]),
        lambda children: (
            st.lists(children, max_size=3)
            | st.dictionaries(st.text() | st.just("$ref"), children, min_size=2, max_size=3)
        ),
        max_leaves=10,
    ),
    indent=st.none() | st.just(2),
)
def test_law_body_without_references_arrives_byte_for_byte(bookshop, value, indent):
    body = json.dumps(value, indent=indent).encode()
    batch = (
        b'{"requests":[{"id":"a","path":"/api/me/"},{"method":"POST","path":"/api/echo/","depends_on":"a","body":%b}]}'
    )
    response = BatchClient().send_batch(batch % body)
    assert arrived(response.json()["responses"][1]) == body


def seen(value):
    """What the next item is answered, if `value` stands in its path, its query and its header."""
    if "/" in value:
        return "424 unresolved_reference"
    if re.search("[\x00-\x08\x0a-\x1f\x7f]", value):
        return "400 header_not_allowed"
    query = [["q", [value]], [value, ["x"]]] if value != "q" else [["q", ["q", "x"]]]
    return {"segment": value, "query": query, "header": f"<{value}>"}


@given(value=st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(AWKWARD), min_size=1, max_size=6))
def test_law_value_stands_for_nothing_but_itself(bookshop, value):
    item = {"path": "/show/{a#/body}/?q={a#/body}&{a#/body}=x", "headers": {"X-Request-ID": "<{a#/body}>"}}
    _, answer = BatchClient().batch([answering(value), {**item, "depends_on": "a"}])
    [fate] = fates([answer])
    assert (answer["body"] if fate == "200" else fate) == seen(value)


@pytest.mark.parametrize("value", ['{"$ref":"a#/id"}', {"$ref": "a#/id"}, "{a#/id}", "{a#/body}"])
def test_value_that_looks_like_a_reference_is_not_followed(bookshop, value):
    _, answer = BatchClient().batch([answering(value), echo(body=[{"$ref": "a#/body"}])])
    assert json.loads(arrived(answer)) == [value]


def test_numbers_arrive_as_they_were_written(bookshop):
    batch = [{"id": "a", "path": "/api/content/exact-json/"}, echo(body=[{"$ref": f"a#/body/{name}"} for name in "bc"])]
    assert arrived(BatchClient().batch(batch)[1]) == b"[1e2, 18446744073709551617]"


# What can be referred to.

TAKEN = [
    ("/api/content/exact-json/", "/status", 200),
    ("/api/content/text/", "/headers/Content-Type", "text/plain; charset=utf-8"),
    ("/api/content/text/", "/body", "Schöne Grüße aus der Buchhandlung"),
    ("/api/content/latin-1/", "/body", "Schöne Grüße"),
    ("/api/content/nan/", "/body", '{"rating": NaN}'),
    ("/api/content/png/", "/body", None),
    ("/api/content/png/", "/body_base64", b64encode(b"\x89PNG\r\n\x1a\n\x00\xff").decode()),
    ("/api/content/empty/", "/body", None),
    ("/api/books/?page_size=2", "/body/results/1/title", "The Borrowed Harbour"),
    ("/accounts/profile/", "/headers/Location", "/accounts/login/?next=/accounts/profile/"),
    ("/api/books/?page_size=2", "$.body.results[*].id", [1, 2]),
]


@pytest.mark.parametrize(("url", "pointer", "value"), TAKEN)
def test_whatever_stands_in_an_answer_can_be_taken(bookshop, url, pointer, value):
    _, answer = BatchClient().batch([{"id": "a", "path": url}, echo(body={"x": {"$ref": f"a#{pointer}"}})])
    assert json.loads(arrived(answer)) == {"x": value}


def test_header_taken_from_an_answer_makes_the_next_request_conditional(bookshop):
    url = "/api/books/1/price/"
    conditional = {"path": url, "depends_on": "a", "headers": {"If-None-Match": "{a#/headers/ETag}"}}
    assert fates(BatchClient().batch([{"id": "a", "path": url}, conditional])) == ["200", "304"]


def test_cookie_that_scripts_cannot_read_cannot_be_referred_to(bookshop):
    login = {"id": "a", "method": "POST", "path": "/api/login/", "body": {"username": "ada", "password": "ada-secret"}}
    answers = BatchClient().batch([login, echo(body={"$ref": "a#/headers/Set-Cookie"})])
    assert fates(answers) == ["200", "424 unresolved_reference"]


def test_body_that_is_omitted_can_be_referred_to(bookshop):
    answers = BatchClient().batch([{**answering("x"), "omit_body": True}, echo(body={"$ref": "a#/body"})])
    assert (answers[0]["status"], answers[0]["body"]) == (200, None)
    assert arrived(answers[1]) == b'"x"'


def test_omitted_body_is_not_in_the_answer_in_any_form(bookshop):
    [answer] = BatchClient().batch([{"path": "/api/content/png/", "omit_body": True}])
    assert answer["body"] is None
    assert "body_base64" not in answer
    assert answer["headers"]["Content-Type"] == "image/png"
    bare = BatchClient().send_batch([{"path": "/api/content/text/", "omit_body": True}])
    assert bare.json() == [{"status": 200, "response": None}]


def test_body_of_a_failure_is_not_omitted(bookshop):
    [answer] = BatchClient().batch([{"path": "/api/books/999/", "omit_body": True}])
    assert answer["body"]["detail"].startswith("No Book matches")


# What cannot.

UNRESOLVED = [
    {"body": {"$ref": "a#/body/nothing"}},
    {"body": {"$ref": "a#/body/list/2"}},
    {"body": {"$ref": "a#/body/text/0"}},
    {"body": {"$ref": "a#/headers/content-type"}},
    {"body": {"$ref": "a#/body_base64"}},
    {"path": "/api/books/{a#/body/null}/"},
    {"path": "/api/books/{a#/body/list}/"},
    {"path": "/api/books/?q={a#/body}"},
    {"path": "{a#/body/null}"},
    {"path": "/api/books/{a#/body/url}/"},
    {"path": "/api/books/{a#$.body.list[*]}/"},
    {"headers": {"X-Request-ID": "{a#/body/null}"}},
    {"headers": {"X-Request-ID": "{a#/body/list}"}},
]


@pytest.mark.parametrize("members", UNRESOLVED, ids=str)
def test_reference_to_what_is_not_there_or_fits_not_is_424(bookshop, members):
    body = {"null": None, "list": [1, 2], "text": "x", "url": "/api/books/1/"}
    batch = [answering(body), echo(id="b", **members), {"path": "/api/me/", "depends_on": "b"}]
    answers = BatchClient().batch(batch)
    assert fates(answers) == ["200", "424 unresolved_reference", "424 failed_dependency"]
    place = next(name for name in ("headers", "path", "body") if name in members)
    pointer = "/requests/1/headers/X-Request-ID" if place == "headers" else f"/requests/1/{place}"
    assert [error["pointer"] for error in answers[1]["body"]["errors"]] == [pointer]


def test_unresolved_reference_rolls_its_group_back(ada, bookshop):
    put = {"id": "a", "method": "PUT", "path": "/api/orders/N-1/", "body": {"note": "x"}}
    answers = ada.batch([put, echo(body={"$ref": "a#/body/nothing"})], atomic=True)
    assert fates(answers) == ["424 rolled_back", "424 unresolved_reference"]
    assert not Order.objects.filter(number="N-1").exists()


UNDECLARED = {
    "not depended on": [answering(1), {**answering(1), "id": "c"}, echo(body={"$ref": "c#/body"})],
    "nobody": [answering(1), answering(2) | {"id": "b"}, echo(path="/{x#/body}")],
    "itself": [answering(1), {**answering(1), "id": "c"}, echo(id="b", headers={"Prefer": "{b#/body}"})],
    "a group": [
        answering(1),
        {**answering(1), "id": "c", "atomicity_group": "g"},
        echo(depends_on="g", body={"$ref": "g#/body"}),
    ],
}


@pytest.mark.parametrize("batch", UNDECLARED.values(), ids=UNDECLARED)
def test_reference_to_what_is_no_declared_id_refuses_the_batch(bookshop, batch):
    response = BatchClient().send_batch({"requests": batch})
    assert (response.status_code, response.json()["code"]) == (400, "unknown_dependency")
    assert [error["pointer"] for error in response.json()["errors"]] == ["/requests/2/depends_on"]


# A whole path is checked like any other, and so is a header.


def test_url_of_this_host_is_followed(bookshop):
    first = {"id": "a", "path": "/api/books/3/"}
    followed = {"path": "{a#/body/url}", "depends_on": "a"}
    answers = BatchClient().batch([first, followed])
    assert answers[1]["body"] == answers[0]["body"]


def test_path_goes_on_behind_the_url_that_it_starts_with(bookshop):
    first = {"id": "a", "path": "/api/authors/1/"}
    books, alone = BatchClient().batch(
        [first, {"path": "{a#/body/url}books/", "depends_on": "a"}, {"path": "/api/authors/1/books/"}]
    )[1:]
    assert (books["status"], books["body"]) == (200, alone["body"])


REFUSED = {
    "https://evil.example/api/me/": "400 malformed",
    "http://evil.example/api/me/": "400 malformed",
    "//evil.example/api/me/": "400 malformed",
    "javascript:alert(1)": "400 malformed",
    "api/me/": "400 malformed",
    "/api/me/\r\nHost: evil.example": "400 malformed",
    "/api/me/#": "400 malformed",
    "": "400 malformed",
    "/batch/": "403 nested_batch",
    "/%62atch/": "403 nested_batch",
    "http://testserver/batch/": "403 nested_batch",
    "/api/password/": "403 batch_exempt",
}


@pytest.mark.parametrize(("url", "fate"), REFUSED.items())
def test_whole_path_that_no_item_may_have_is_refused(ada, bookshop, url, fate):
    item = {"method": "POST", "path": "{a#/body}", "body": {"requests": []}, "depends_on": "a"}
    assert fates(ada.batch([answering(url), item])) == ["200", fate]


@pytest.mark.parametrize("value", ["//evil", "http://testserver", "http://evil.example/", "https:", ""])
def test_url_that_becomes_another_host_is_refused(bookshop, value):
    item = {"path": "{a#/body}.example/x", "depends_on": "a"}
    assert fates(BatchClient().batch([answering(value), item])) == ["200", "400 malformed"]


@pytest.mark.parametrize(("prefix", "value"), [("http://testserver/", "/evil.example/x"), ("/", "/evil.example")])
def test_path_that_becomes_another_host_is_refused(bookshop, prefix, value):
    item = {"path": prefix + "{a#/body}", "depends_on": "a"}
    assert fates(BatchClient().batch([answering(value), item])) == ["200", "424 unresolved_reference"]


def test_empty_value_does_not_open_a_way_to_another_host(bookshop):
    item = {"path": "/{a#/body}/evil.example/x", "depends_on": "a"}
    answers = BatchClient().batch([answering(""), item])
    assert fates(answers) == ["200", "400 malformed"]
    assert [error["pointer"] for error in answers[1]["body"]["errors"]] == ["/requests/1"]


@pytest.mark.parametrize("name", ["Host", "Cookie", "X-Forwarded-For", "Authorization", "Transfer-Encoding"])
def test_header_that_no_item_may_set_cannot_be_set_by_a_reference(bookshop, name):
    item = echo(headers={name: "{a#/body}"})
    assert fates(BatchClient().batch([answering("Token ben-token"), item])) == ["200", "400 header_not_allowed"]


# Size, and what has to be installed.


def test_values_that_multiply_are_bounded_by_the_size_of_a_batch(bookshop, settings):
    settings.BATCH = {"MAX_SIZE": 5_000}

    def doubled(name, before):
        body = [{"$ref": f"{before}#/body"}] * 10
        return {"id": name, "method": "POST", "path": "/mirror/", "depends_on": before, "body": body}

    answers = BatchClient().batch([answering("x" * 100), doubled("b", "a"), doubled("c", "b")])
    assert fates(answers) == ["200", "200", "424 unresolved_reference"]
    assert answers[2]["body"]["detail"].endswith("more than 5000 bytes.")


@pytest.mark.parametrize("parallel", [False, True], ids=["in_order", "parallel"])
@pytest.mark.parametrize("road", ROADS, ids=str)
def test_each_reference_counts_once_on_every_road(bookshop_in_files, road, parallel):
    batch = {"DRY_RUN": True, "MAX_SIZE": 10_000}
    item = {"method": "POST", "path": "/mirror/", "body": {"$ref": "a#/body"}, "depends_on": "a"}
    requests = [answering("x" * 2_400), *[{**item, "id": each} for each in "bcdef"]]
    with override_settings(**road.settings(__name__, BATCH=batch)):
        answers = road.client().batch(requests, parallel=parallel)
    # 20,000 bytes may be written, and each value is counted by itself and where it stands.
    assert sorted(fates(answers)) == ["200"] * 5 + ["424 unresolved_reference"]


def test_json_path_without_its_extra_refuses_the_batch_and_names_it(bookshop, monkeypatch):
    monkeypatch.setattr(queries, "find_spec", lambda name: None)
    response = BatchClient().send_batch({"requests": [answering(1), echo(body={"$ref": "a#$.body"})]})
    assert (response.status_code, response.json()["code"]) == (400, "malformed")
    assert "django-batch[jsonpath]" in response.json()["detail"]
    assert response.json()["errors"][0]["pointer"] == "/requests/1/body"
