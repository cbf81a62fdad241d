"""What is bounded: found before anything is built, and held in about as much memory as it has bytes."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from typing import Any

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.dialects.google import GoogleMultipart
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.urls import urlpatterns as site_urls
from tests.parts import Answer, answers, message, multipart, part

MIB = 2**20
CHUNK = b"x" * 2**16


def text(request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse(b"x" * size, content_type="text/plain", headers={"X-Total": "7"}, status=299)


def value(request: HttpRequest, size: int) -> HttpResponse:
    return HttpResponse(b'"%b"' % (b"x" * (size - 2)), content_type="application/json")


def stream(request: HttpRequest, size: int) -> StreamingHttpResponse:
    return StreamingHttpResponse((CHUNK for _ in range(size // len(CHUNK))), content_type="text/plain")


def endless_chunks() -> Iterator[bytes]:
    while True:
        yield CHUNK


def endless(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(endless_chunks(), content_type="text/plain")


async def endless_async(request: HttpRequest) -> StreamingHttpResponse:
    async def chunks() -> AsyncIterator[bytes]:
        while True:
            yield CHUNK

    return StreamingHttpResponse(chunks(), content_type="text/plain")


@csrf_exempt
def length(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(len(request.read())))


@csrf_exempt
def back(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type="image/png")


urlpatterns = [
    path("text/<int:size>/", text),
    path("value/<int:size>/", value),
    path("stream/<int:size>/", stream),
    path("endless/", endless),
    path("endless/async/", endless_async),
    path("length/", length),
    path("back/", back),
    path("google/", BatchView.as_view(dialect=GoogleMultipart)),
    *site_urls,
]
pytestmark = pytest.mark.urls(__name__)
# The connections are looked after with each request of a WSGI server.
over_wsgi = pytest.mark.django_db(databases="__all__")


def post(content: bytes) -> tuple[int, Any, float]:
    """The status of a batch, its answer, and the MiB that were held for it beside `content` itself."""
    status, _, answer, peak = send(content)
    return status, json.loads(answer), peak


def send(
    content: bytes, path: str = "/batch/", content_type: str = "application/json"
) -> tuple[int, dict[str, str], bytes, float]:
    """The same, with the headers, of a batch in any dialect."""
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": content_type,
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(content),
        "wsgi.errors": sys.stderr,
    }
    started: list[Any] = []
    site = WSGIHandler()
    tracemalloc.start()
    try:
        response = site(environ, lambda *status_and_headers: started.extend(status_and_headers))
        peak = tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    answer = b"".join(response)
    response.close()
    return int(started[0][:3]), dict(started[1]), answer, peak


def padded(before: bytes, repeated: bytes, after: bytes, size: int = 10 * MIB) -> bytes:
    """As many repetitions as make at most `size` bytes."""
    return before + repeated * ((size - len(before) - len(after)) // len(repeated)) + after


def distinct(before: bytes, pattern: str, after: bytes, size: int = 10 * MIB) -> bytes:
    """The same, of members that all have another number in them."""
    count = (size - len(before) - len(after)) // (len(pattern.format(0)) + 7)
    return before + b",".join(pattern.format(number).encode() for number in range(count)) + after


# Of the batch


@over_wsgi
@pytest.mark.parametrize(
    "content",
    [
        padded(b"[", b"{},", b"{}]"),
        padded(b"[", b"1,", b"1]"),
        padded(b"[", b"[],", b"[]]"),
        padded(b'{"requests":[', b"{},", b"{}]}"),
        padded(b'{"requests":[', b'{"path":"/"},', b"{}]}"),
    ],
    ids=lambda content: content[:20].decode(),
)
def test_millions_of_items_are_refused_before_one_is_built(content):
    status, problem, peak = post(content)
    assert (status, problem["code"]) == (413, "too_many_requests")
    assert peak < 1


@over_wsgi
def test_batch_that_is_too_large_is_refused_before_it_is_read():
    status, problem, peak = post(b"[" + b" " * 10 * MIB)
    assert (status, problem["code"]) == (413, "too_large")
    assert peak < 1


@over_wsgi
@pytest.mark.parametrize("member", [b'"body":"%b"', b'"headers":{"Content-Type":"text/plain"},"body":"%b"'])
def test_large_bodies_are_held_one_at_a_time(member):
    item = b'{"method":"POST","path":"/length/",%b}' % (member % (b"x" * 100 * 1024))
    status, answers, peak = post(b"[" + b",".join([item] * 100) + b"]")
    assert (status, len(answers)) == (207, 100)
    assert {answer["status"] for answer in answers} == {200}
    assert peak < 12


@over_wsgi
@pytest.mark.parametrize(
    "content",
    [b"--b\r\n" * 2_000_000, b"--b\n\n" * 1_700_000, b"\n--b-" * 2_000_000, b"\n" * 10 * MIB],
    ids=["empty parts", "blank parts", "no parts", "blank lines"],
)
def test_millions_of_parts_are_refused_before_one_is_built(content):
    status, _, _, peak = send(content[: 10 * MIB], "/google/", "multipart/mixed; boundary=b")
    assert status in (400, 413)
    assert peak < 10.5  # the body, and no part of it


@over_wsgi
def test_bodies_go_in_and_out_in_twice_their_size(settings):
    settings.BATCH = {"MAX_SIZE": 200 * MIB, "MAX_RESPONSE_SIZE": 200 * MIB}
    body = bytes(range(256)) * 4096
    content = multipart([part(message("POST", "/back/", body))] * 100)
    status, headers, answer, peak = send(content, "/google/", "multipart/mixed; boundary=batch")
    assert status == 200
    bodies = [each.body for each in answers(answer, headers["Content-Type"]) if isinstance(each, Answer)]
    assert bodies == [body] * 100
    assert peak < 3.1 * 100  # each once as it came in, once as it was answered, and once in the answer


NAME = "x" * 10_000
MANY = range(100)
# What is quoted in errors, and so could come back many times over.
ECHOES: dict[str, Any] = {
    "ids in a circle": [
        {"path": "/", "id": f"{place}{NAME}", "depends_on": f"{(place + 1) % 100}{NAME}"} for place in MANY
    ],
    "one id": [{"path": "/", "id": NAME} for _ in MANY],
    "long id of a culprit": {
        "atomic": True,
        "requests": [*({"path": "/api/echo/"} for _ in MANY[1:]), {"path": "/nowhere/", "id": NAME * 100}],
    },
    "unknown names": [{"path": "/", "depends_on": [f"x{number}" for number in range(100_000)]}],
    "unknown members": {"requests": [], **{f"x{number}": 1 for number in range(100_000)}},
    "unknown member": [{"path": "/", NAME * 100: 1}],
    "long path": [{"path": f"/\x01{NAME * 100}"}],
    "control characters": [{"path": "\x01" * 16_000} for _ in MANY],
    "long method": [{"path": "/", "method": "\x01" * 10_000} for _ in MANY],
    "long header": [{"path": "/", "headers": {f"{NAME}/": "\x01"}} for _ in MANY],
    "many references": [{"path": "/", "depends_on": "a", "body": [{"$ref": f"{place}#"} for place in range(50_000)]}],
}


@over_wsgi
@pytest.mark.parametrize("name", ECHOES)
def test_answer_is_no_multiple_of_what_was_sent(name):
    content = json.dumps(ECHOES[name]).encode()
    response = BatchClient().send_batch(content)
    assert response.status_code in (207, 400)
    assert len(response.content) < 3 * max(len(content), MIB)


@pytest.mark.parametrize(("count", "status"), [(1, 207), (3, 207), (4, 413)])
def test_number_of_items_is_bounded(count, status, settings):
    settings.BATCH = {"MAX_REQUESTS": 3}
    assert BatchClient().send_batch([{"path": "/length/"}] * count).status_code == status


@pytest.mark.parametrize(("more", "status"), [(-1, 207), (0, 207), (1, 413)])
def test_number_of_bytes_is_bounded(more, status, settings):
    content = json.dumps([{"path": "/length/"}]).encode()
    settings.BATCH = {"MAX_SIZE": len(content)}
    content = content + b" " * more if more >= 0 else content.replace(b" ", b"", 1)
    assert BatchClient().send_batch(content).status_code == status


def test_batch_may_be_larger_than_a_request_of_django(settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    small = {"method": "POST", "path": "/api/echo/", "body": "x" * 900}
    large = {"method": "POST", "path": "/api/echo/", "body": "x" * 1_001}
    assert [answer["status"] for answer in BatchClient().batch([small, large, small])] == [200, 400, 200]


# Of the answer

LIMIT = 8 * MIB


@pytest.fixture
def limited(settings) -> None:
    settings.BATCH = {"MAX_RESPONSE_SIZE": LIMIT}


def too_large(answers: list[dict[str, Any]]) -> list[bool]:
    """Of each answer whether its body is left out."""
    return [isinstance(each["response"], dict) and each["response"]["code"] == "body_too_large" for each in answers]


@over_wsgi
@pytest.mark.parametrize("name", ["text", "value", "stream"])
def test_answers_past_the_limit_are_not_held(name, limited):
    status, answers, peak = post(json.dumps([{"path": f"/{name}/{MIB}/"}] * 20).encode())
    assert status == 207
    assert too_large(answers) == [False] * 8 + [True] * 12
    assert peak < 2.5 * LIMIT / MIB  # the bodies, and the answer that is made of them


@over_wsgi
@pytest.mark.parametrize("path", ["/endless/", "/endless/async/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_stream_without_an_end_is_stopped_at_the_limit(path, method, limited):
    status, answers, peak = post(json.dumps([{"path": path, "method": method}] * 10).encode())
    assert status == 207
    assert too_large(answers) == [method == "GET"] * 10
    assert peak < 1.25 * LIMIT / MIB


def batch(*requests: dict[str, Any], **members: Any) -> list[dict[str, Any]]:
    return BatchClient().batch(requests, **members)


def test_body_that_is_too_large_leaves_status_and_headers(limited):
    (answer,) = batch({"path": f"/text/{LIMIT + 1}/"})
    assert answer["status"] == 299
    assert answer["headers"].items() >= {"Content-Type": "text/plain", "X-Total": "7"}.items()
    assert answer["body"] == {
        "type": "about:blank",
        "title": "Unknown Status Code",
        "status": 299,
        "detail": "This body and those before it are past MAX_RESPONSE_SIZE. Send the request alone.",
        "code": "body_too_large",
        "errors": [
            {
                "pointer": "",
                "detail": "This body and those before it are past MAX_RESPONSE_SIZE. Send the request alone.",
            }
        ],
    }


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
def test_body_of_just_the_limit_is_answered(size, limited):
    (answer,) = batch({"path": f"/text/{size}/"})
    assert len(answer["body"]) == size


def test_smaller_body_behind_one_that_is_too_large_still_fits(limited):
    sizes = [5 * MIB, 4 * MIB, 3 * MIB, 1]
    answers = batch(*({"path": f"/text/{size}/"} for size in sizes))
    assert [len(answer["body"]) for answer in answers if isinstance(answer["body"], str)] == [5 * MIB, 3 * MIB]


@pytest.mark.parametrize("path", [f"/text/{LIMIT}/", f"/stream/{LIMIT}/"])
def test_body_that_is_not_sent_does_not_count(path, limited):
    first, second = batch({"method": "HEAD", "path": path}, {"path": path})
    assert first["body"] is None
    assert len(second["body"]) == LIMIT


@over_wsgi
def test_bodies_of_a_group_count_with_those_before_and_after_it(limited):
    group = {"path": f"/text/{4 * MIB}/", "atomicity_group": "g"}
    answers = batch({"path": f"/text/{3 * MIB}/"}, group, group, {"path": f"/text/{2 * MIB}/"})
    assert [isinstance(answer["body"], str) for answer in answers] == [True, True, False, False]
    assert [answer["status"] for answer in answers] == [299] * 4


@over_wsgi
def test_bodies_of_a_group_that_was_rolled_back_do_not_count(limited):
    large = {"path": f"/text/{LIMIT}/"}
    answers = batch({**large, "atomicity_group": "g"}, {"path": "/nowhere/", "atomicity_group": "g"}, large)
    assert len(answers[2]["body"]) == LIMIT


def test_stream_that_is_stopped_is_closed(limited, settings):
    chunks = endless_chunks()
    settings.ROOT_URLCONF = (
        path("own/", lambda request: StreamingHttpResponse(chunks)),
        path("batch/", include("django_batch.urls")),
    )
    batch({"path": "/own/"})
    assert next(chunks, None) is None
