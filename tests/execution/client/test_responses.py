"""From a response to what an item says, and to nothing left open."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pytest
from django.core.signals import request_finished
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified, StreamingHttpResponse
from django.utils.datastructures import MultiValueDict

from django_batch.errors import TimedOut
from django_batch.execution.client.responses import Bounds, Headers, aread, body_of, close, reason_of
from django_batch.execution.executors.deadline import Deadline

GET, HEAD = HttpRequest(), HttpRequest()
GET.method, HEAD.method = "GET", "HEAD"
LIMIT = 10  # bytes


def bounds(*, seconds=60, deadline=None, gone=lambda: False):
    return Bounds(LIMIT, seconds, deadline or Deadline(), gone)


async def slowly(chunks):
    for chunk in chunks:
        yield chunk


# what makes the response, the request's method -> the body
BODIES = [
    (lambda: HttpResponse(b"body"), GET, b"body"),
    (lambda: HttpResponse(b"body"), HEAD, b""),
    (lambda: HttpResponse([b"bo", "dy"]), GET, b"body"),
    (lambda: HttpResponse("Grüße", charset="latin-1"), GET, b"Gr\xfc\xdfe"),
    (lambda: HttpResponse(b"body", status=204), GET, b""),
    (lambda: HttpResponse(b"x" * LIMIT), GET, b"x" * LIMIT),
    (lambda: HttpResponse(b"x" * (LIMIT + 1)), HEAD, b""),
    (HttpResponseNotModified, GET, b""),
    (lambda: StreamingHttpResponse(iter([b"bo", "dy"])), GET, b"body"),
    (lambda: StreamingHttpResponse(iter([b"bo", b"dy"])), HEAD, b""),
    (lambda: StreamingHttpResponse(iter([b"x"] * LIMIT)), GET, b"x" * LIMIT),
    (lambda: StreamingHttpResponse(iter([b"x"] * 100)), HEAD, b""),
    (lambda: StreamingHttpResponse(slowly([b"bo", b"dy"])), GET, b"body"),
    (lambda: StreamingHttpResponse(slowly([b"bo", b"dy"])), HEAD, b""),
    (lambda: FileResponse(BytesIO(b"body")), GET, b"body"),
    (lambda: FileResponse(BytesIO(b"body")), HEAD, b""),
]


@pytest.mark.parametrize(("make", "request_", "body"), BODIES)
def test_body_is_what_a_client_gets(make, request_, body):
    response = make()
    assert body_of(request_, response, bounds(), limit=LIMIT) == body
    close(response)


@pytest.mark.parametrize(
    "make",
    [
        lambda chunks: HttpResponse(chunks),
        lambda chunks: StreamingHttpResponse(iter(chunks)),
        lambda chunks: StreamingHttpResponse(slowly(chunks)),
    ],
)
def test_body_past_the_limit_is_none(make):
    assert body_of(GET, make([b"x"] * (LIMIT + 1)), bounds(), limit=LIMIT) is None


def test_stream_past_the_limit_is_read_no_further():
    chunks = iter([b"x" * LIMIT, b"x", b"unread"])
    assert body_of(GET, StreamingHttpResponse(chunks), bounds(), limit=LIMIT) is None
    assert [*chunks] == [b"unread"]


@pytest.mark.parametrize("request_", [GET, HEAD])
def test_error_of_a_stream_is_raised(request_):
    def broken():
        yield b"x"
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        body_of(request_, StreamingHttpResponse(broken()), bounds(), limit=LIMIT)


ENDED = {
    "it takes too long": (bounds(seconds=0), "did not end within 0 seconds"),
    "the time of the batch is over": (bounds(deadline=Deadline(0)), "before the time of the batch was over"),
    "its reader has gone": (bounds(gone=lambda: True), "has closed the connection"),
}


@pytest.mark.parametrize(("bounds_", "detail"), ENDED.values(), ids=ENDED)
@pytest.mark.parametrize("stream", [iter, slowly])
def test_stream_is_read_no_further_once(bounds_, detail, stream):
    with pytest.raises(TimedOut, match=detail):
        body_of(GET, StreamingHttpResponse(stream([b"x", b"y"])), bounds_, limit=LIMIT)


async def waiting():
    yield b"x"
    await asyncio.Event().wait()


def test_async_stream_that_waits_for_ever_is_ended():
    with pytest.raises(TimedOut, match=r"did not end within 0\.01 seconds"):
        asyncio.run(aread(StreamingHttpResponse(waiting()), bounds(seconds=0.01), limit=LIMIT))


def test_async_stream_that_was_read_on_its_loop_streams_the_same():
    response = StreamingHttpResponse(slowly([b"a", b"b"]))
    asyncio.run(aread(response, bounds(), limit=LIMIT))
    assert body_of(GET, response, bounds(), limit=LIMIT) == b"ab"


class Odd(HttpResponse):
    """A response of a site's own class."""

    def __iter__(self):
        yield from (b"o", b"dd")

    def close(self):
        super().close()
        self.then()
        raise RuntimeError("after it")

    def then(self):
        self.has_ended = True


def test_response_that_iterates_in_its_own_way_is_read_so():
    assert body_of(GET, Odd(b"even"), bounds(), limit=LIMIT) == b"odd"


def test_response_that_closes_in_its_own_way_does_so_without_the_signal_of_a_request():
    sent, closer, response = [], Closer(), Odd()
    response._resource_closers.append(closer.close)

    def receive(**kwargs):
        sent.append(kwargs)

    request_finished.connect(receive)
    try:
        close(response)
    finally:
        request_finished.disconnect(receive)
    assert (sent, closer.closed, response.has_ended) == ([], 1, True)
    assert type(response).__name__ == "Odd"


def test_headers_that_a_view_has_replaced_are_read_as_a_mapping():
    response = HttpResponse()
    response.headers = {"content-type": "text/plain", "X-Number": 1, "Set-Cookie": "a=1", "x" * 200: "long"}
    shown = {"Content-Type": "text/plain", "X-Number": "1", ("x" * 200).title(): "long"}
    assert Headers().of(response) == (shown, "a=1")


NAMES = [
    ("Content-Type", "Content-Type"),
    ("content-type", "Content-Type"),
    ("CONTENT-TYPE", "Content-Type"),
    ("content-ENCODING", "Content-Encoding"),
    ("etag", "Etag"),
    ("ETag", "ETag"),
    ("WWW-Authenticate", "WWW-Authenticate"),
    ("X-Accel-Redirect", "X-Accel-Redirect"),  # a proxy would act on it, but sees no items
]


@pytest.mark.parametrize(("written", "name"), NAMES)
def test_header_has_one_name_however_it_was_written(written, name):
    response = HttpResponse()
    del response["Content-Type"]
    response[written] = "x"
    assert Headers().of(response) == ({name: "x"}, "")


@pytest.mark.parametrize(
    "name",
    ["Set-Cookie", "set-cookie", "Connection", "Keep-Alive", "TE", "Trailer", "TRANSFER-ENCODING", "Upgrade"],
)
def test_header_of_one_connection_or_browser_is_not_in_an_item(name):
    response = HttpResponse(headers={name: "x", "X-Kept": "x"}, content_type="text/plain")
    response.set_cookie("a", "1")
    shown, by_hand = Headers().of(response)
    assert shown == {"Content-Type": "text/plain", "X-Kept": "x"}
    assert by_hand == ("x" if name.lower() == "set-cookie" else "")


class Closer:
    """Something to be closed."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closed = 0
        self.error = error

    def close(self) -> None:
        self.closed += 1
        if self.error:
            raise self.error


def test_all_that_a_response_holds_is_closed_once_whatever_is_raised():
    closers = [Closer(), Closer(RuntimeError()), Closer()]
    response = HttpResponse()
    response._resource_closers += [closer.close for closer in closers]
    close(response)
    close(response)
    assert [closer.closed for closer in closers] == [1, 1, 1]
    assert response.closed


def test_file_of_a_response_is_closed():
    file = BytesIO(b"x")
    close(FileResponse(file))
    assert file.closed


def test_closing_does_not_say_that_the_request_is_finished():
    sent = []

    def receive(**kwargs):
        sent.append(kwargs)

    request_finished.connect(receive)
    try:
        close(HttpResponse())
    finally:
        request_finished.disconnect(receive)
    assert sent == []


def test_files_of_a_request_are_closed_with_its_response():
    file = BytesIO(b"x")
    request, response = HttpRequest(), HttpResponse()
    request._files = MultiValueDict({"file": [file]})
    response._resource_closers.append(request.close)
    close(response)
    assert file.closed


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (HttpResponse(), ""),
        (HttpResponse(status=404), ""),
        (HttpResponse(status=299), ""),
        (HttpResponse(reason="Fine"), "Fine"),
        (HttpResponse(status=404, reason="OK"), "OK"),
        (StreamingHttpResponse([], status=202, reason="Accepted"), ""),
    ],
)
def test_reason_is_one_that_the_view_has_chosen(response, reason):
    assert reason_of(response) == reason


def test_headers_that_are_alike_are_made_once():
    headers = Headers()
    one, other = (headers.of(HttpResponse(headers={"X-Kept": "x"}))[0] for _ in range(2))
    assert one is other


def test_headers_that_differ_are_each_those_of_their_own_response():
    headers = Headers()
    for number in [*range(200), *range(200)]:
        assert headers.of(HttpResponse(headers={"X-Kept": str(number)}))[0]["X-Kept"] == str(number)
