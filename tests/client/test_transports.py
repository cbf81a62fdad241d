"""What the transports gather, and that each caller gets what it would have got alone. Both are tested alike."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from django_batch.client import AsyncBatchTransport, BatchTransport
from django_batch.decorators import batch_exempt
from django_batch.views import BatchView
from tests.client.conftest import BATCH, SITE, RecordedASGI, RecordedWSGI

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

seen = Counter()
after = {"value": "0"}


@pytest.fixture(autouse=True)
def forget():
    seen.clear()
    after["value"] = "0"


def busy(request, status, times):
    """Answer with `status` and Retry-After so often, and then with 200."""
    seen[request.path] += 1
    if seen[request.path] <= times:
        return HttpResponse(status=status, headers={"Retry-After": after["value"]})
    return HttpResponse(f"{seen[request.path]}")


def echo(request):
    fields = {name: value for name, value in request.headers.items() if name not in ("Host", "Content-Length")}
    return JsonResponse({"path": request.get_full_path(), "headers": fields, "body": request.body.decode("latin-1")})


def text(request, kind):
    contents = {
        "null": (b"null", "application/json"),
        "nothing": (b"", "application/json"),
        "string": (b'"a"', "application/json"),
        "problem": (b'{"code": 7}', "application/problem+json"),
    }
    content, content_type = contents[kind]
    return HttpResponse(content, content_type=content_type, headers={"Content-Length": len(content)})


@csrf_exempt
def refusing(request, status):
    """A batch view that answers the first batch with `status`, and everything else as the real one does."""
    seen["refusing"] += request.method == "POST"
    if seen["refusing"] == 1:
        return HttpResponse("Not now.", status=status, headers={"Retry-After": after["value"]})
    return BatchView.as_view()(request)


def describing(request):
    """A batch view that tells its limits, as the one that it stands for may not do yet."""
    if request.method == "OPTIONS":
        seen["asked"] += 1
        return JsonResponse({"limits": {"requests": 3, "size": 2000}, "headers": ["Accept", "X-Shelf"]})
    return BatchView.as_view(max_requests=3, allowed_headers=["Accept", "X-Shelf"])(request)


def boasting(request):
    """A batch view that takes fewer requests than it says."""
    return describing(request) if request.method == "OPTIONS" else BatchView.as_view(max_requests=2)(request)


@csrf_exempt
def silent(request):
    """A batch view that says something else about itself."""
    if request.method == "OPTIONS":
        return HttpResponse(after["description"])
    return BatchView.as_view()(request)


@csrf_exempt
def strange(request, kind):
    """A server that does not answer as a batch has to be answered."""
    content = {
        "garbage": b"<html>",
        "none": b'{"responses": []}',
        "unknown": b'{"responses": [{"id": "x", "status": 200, "headers": {}}]}',
        "cut": b"",
    }
    return HttpResponse(content[kind], status=207, content_type="application/json")


urlpatterns = [
    path("busy/<int:status>/<int:times>/", csrf_exempt(busy)),
    path("echo/", csrf_exempt(echo)),
    path("text/<kind>/", text),
    path("exempt/", batch_exempt(echo)),
    path("refusing/<int:status>/", refusing),
    path("describing/", csrf_exempt(describing)),
    path("boasting/", csrf_exempt(boasting)),
    path("silent/", silent),
    path("strange/<kind>/", strange),
    path("small/", BatchView.as_view(max_size=400)),
    path("two/", BatchView.as_view(max_requests=2)),
    path("", include("example_project.urls")),
]
PAGE = ["/api/me/", "/api/cookies/?a=1", "/api/content/text/"]


def statuses(responses):
    return [response.status_code for response in responses]


def test_reads_of_one_moment_share_a_batch(road):
    responses = road.send(*PAGE)
    assert statuses(responses) == [200, 200, 200]
    assert responses[0].json()["username"] == ""
    assert sorted(road.paths[0]) == sorted(PAGE)
    assert len(road.sent) == 1


def test_single_read_is_sent_alone(road):
    assert statuses(road.send("/api/me/")) == [200]
    assert road.alone == ["/api/me/"]


KINDS = ["text", "latin-1", "html", "png", "exact-json", "invalid-json", "invalid-utf-8", "nan", "empty"]
ADDRESSES = [f"/api/content/{kind}/" for kind in KINDS]
ADDRESSES += [f"/text/{kind}/" for kind in ("null", "nothing", "string", "problem")]


def test_each_answer_has_the_status_and_the_bytes_that_it_has_alone(road):
    for response, address in zip(road.send(*ADDRESSES), ADDRESSES, strict=True):
        alone = httpx.Client(transport=RecordedWSGI(), base_url=SITE).get(address)
        assert (response.status_code, response.content) == (alone.status_code, alone.content), address
        assert response.headers.get("content-type") == alone.headers.get("content-type")
        assert str(response.request.url) == f"{SITE}{address}"
    assert len(road.batches) == 1


def test_answer_to_head_has_no_body(road):
    responses = road.send({"method": "HEAD", "url": "/text/string/"}, "/text/string/")
    assert [response.content for response in responses] == [b"", b'"a"']
    assert len(road.batches) == 1


def test_headers_of_one_request_are_its_own_and_split_no_batch(road):
    headers = [{"Accept-Language": "de"}, {"Accept": "text/html", "If-None-Match": '"1"'}, {}]
    responses = road.send(*({"url": "/echo/", "headers": each} for each in headers))
    found = [response.json()["headers"] for response in responses]
    assert [each.get("Accept-Language") for each in found] == ["de", None, None]
    assert [each["Accept"] for each in found] == ["*/*", "text/html", "*/*"]
    assert found[1]["If-None-Match"] == '"1"'
    assert len(road.batches) == 1


def test_headers_that_no_item_may_set_are_sent_with_the_batch(road):
    responses = road.send("/echo/", "/echo/", client={"headers": {"X-Shelf": "7"}})
    assert [response.json()["headers"]["X-Shelf"] for response in responses] == ["7", "7"]
    assert len(road.batches) == 1


def test_requests_of_different_senders_share_no_batch(road):
    senders = ["Bearer a", "Bearer b", "Bearer a", "Bearer b"]
    road.send(*({"url": "/api/content/text/", "headers": {"Authorization": each}} for each in senders))
    sent = [request.headers["authorization"] for request in road.sent]
    assert sorted(sent) == ["Bearer a", "Bearer b"]
    assert [len(batch["requests"]) for batch in road.batches] == [2, 2]


def test_writes_are_sent_alone_unless_they_are_to_be_gathered(road):
    write = {"method": "POST", "url": "/echo/", "json": {"price": 1}}
    road.send(write, write)
    assert road.alone == ["/echo/", "/echo/"]
    responses = road.send(write, write, writes=True)
    assert [json.loads(response.json()["body"]) for response in responses] == [{"price": 1}] * 2
    assert len(road.batches) == 1
    assert "parallel" not in road.batches[0]


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b'{"price": 1.10, "price": 2}', "application/json"),
        (b'{"a": ', "application/json"),
        (b'{"a": "\xff"}', "application/json"),
        (b'{"$ref": "1#/body/id"}', "application/json"),
        (b"a=1&b=2", "application/x-www-form-urlencoded"),
        (b"\x00\xff", "application/octet-stream"),
        (b"plain", ""),
    ],
)
def test_body_of_a_write_arrives_as_it_was_sent(road, content, content_type):
    write = {"method": "POST", "url": "/echo/", "content": content, "headers": {"Content-Type": content_type}}
    for response in road.send(write, write, writes=True):
        assert response.json()["body"] == content.decode("latin-1")
    assert len(road.batches) == 1


@pytest.mark.parametrize(
    "request_",
    [
        {"url": "/api/me/", "extensions": {"batch": False}},
        {"url": "/describing/"},
        {"url": "/describing/", "method": "OPTIONS"},
        {"url": "/echo/", "method": "POST", "files": {"cover": b"picture"}},
    ],
    ids=["told not to", "the batch view", "a question to it", "a file"],
)
def test_what_cannot_be_in_a_batch_is_sent_alone(road, request_):
    responses = road.send(request_, *PAGE, url=f"{SITE}/describing/", writes=True)
    assert not any(isinstance(response, Exception) for response in responses)
    assert [len(batch["requests"]) for batch in road.batches] == [3]


def test_what_is_on_another_host_is_sent_alone():
    def answer(request):
        return httpx.Response(200, text=request.url.host)

    with httpx.Client(transport=BatchTransport(BATCH, transport=httpx.MockTransport(answer), wait=0)) as client:
        assert client.get("https://elsewhere.example/").text == "elsewhere.example"


def test_view_that_takes_part_in_no_batch_is_asked_alone(road):
    responses = road.send("/exempt/", "/api/me/", {"url": "/exempt/", "headers": {"X-Shelf": "1"}})
    assert statuses(responses) == [200, 200, 200]
    assert "/exempt/" in road.alone


def test_cookies_of_the_batch_reach_the_client(road):
    responses = road.send(
        {"method": "POST", "url": "/api/cookies/?name=shelf&value=7&path=/"}, "/api/me/", writes=True, stream=True
    )
    assert responses[0].cookies["shelf"] == "7"
    assert len(road.batches) == 1


def test_csrf_token_of_a_cookie_is_sent_with_the_batch(road):
    road.send("/api/me/", "/api/me/", client={"cookies": {"a": "1", "csrftoken": "abc"}})
    assert road.sent[0].headers["x-csrftoken"] == "abc"
    assert road.sent[0].headers["referer"] == BATCH


def test_lines_are_read_where_a_stream_is_asked_for(road):
    assert statuses(road.send(*PAGE, "/api/books/x/", stream=True)) == [200, 200, 200, 404]
    assert road.sent[0].headers["accept"] == "application/jsonl"
    assert road.batches[0]["parallel"] is True


@pytest.mark.parametrize("status", [429, 503])
def test_what_is_put_off_is_sent_again_under_its_id(road, status):
    responses = road.send(f"/busy/{status}/1/", "/api/me/")
    assert [response.status_code for response in responses] == [200, 200]
    first, second = road.batches
    [again] = second["requests"]
    assert again in first["requests"]
    assert road.waits[-1] == 0


def test_what_is_put_off_too_often_is_told_so(road):
    assert statuses(road.send("/busy/429/9/", "/api/me/")) == [429, 200]
    assert len(road.batches) == 3
    assert statuses(road.send("/busy/503/9/", "/api/me/", retries=0)) == [503, 200]


@pytest.mark.parametrize("value", ["3600", "soon", "Wed, 21 Oct 2015 07:28:00"])
def test_what_names_no_near_time_is_not_sent_again(road, value):
    after["value"] = value
    assert statuses(road.send("/busy/429/1/", "/api/me/")) == [429, 200]
    assert len(road.batches) == 1


def test_time_of_day_is_waited_for(road):
    after["value"] = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    assert statuses(road.send("/busy/503/1/", "/api/me/")) == [200, 200]
    assert 20 < max(road.waits) <= 30


def test_failure_that_is_not_put_off_is_not_sent_again(road):
    after["value"] = ""
    assert statuses(road.send("/busy/429/1/", "/busy/500/1/")) == [429, 500]


@pytest.mark.parametrize("status", [429, 503])
def test_batch_that_is_put_off_is_sent_again_whole(road, status):
    assert statuses(road.send(*PAGE, url=f"{SITE}/refusing/{status}/")) == [200, 200, 200]
    assert road.batches[0] == road.batches[1]


@pytest.mark.parametrize("status", [401, 403, 500])
def test_refusal_that_is_no_less_true_alone_is_the_answer_to_each(road, status):
    responses = road.send(*PAGE, url=f"{SITE}/refusing/{status}/")
    assert statuses(responses) == [status] * 3
    assert [response.text for response in responses] == ["Not now."] * 3


@pytest.mark.parametrize("status", [301, 400, 404, 405, 415])
def test_batch_that_is_refused_as_such_is_sent_one_by_one(road, status, caplog):
    assert statuses(road.send(*PAGE, url=f"{SITE}/refusing/{status}/")) == [200, 200, 200]
    assert len(road.batches) == 1
    assert f"refused a batch: {status}" in caplog.text


def test_requests_are_split_by_what_the_server_takes(road):
    assert statuses(road.send(*["/api/me/"] * 7, url=f"{SITE}/describing/")) == [200] * 7
    assert [len(batch["requests"]) for batch in road.batches] == [7, 3, 3, 1]
    assert seen["asked"] == 1


def test_many_requests_are_split_before_they_are_sent(road):
    assert statuses(road.send(*["/api/me/"] * 101, url=f"{SITE}/describing/")) == [200] * 101
    assert {len(batch["requests"]) for batch in road.batches} == {3, 2}
    assert seen["asked"] == 1


def test_server_that_takes_less_than_it_says_is_asked_once(road):
    assert statuses(road.send(*["/api/me/"] * 101, url=f"{SITE}/boasting/")) == [200] * 101
    assert {len(batch["requests"]) for batch in road.batches} == {3, 2, 1}
    assert seen["asked"] == 1


def test_long_requests_are_split_by_their_size(road):
    long = [f"/echo/?{'x' * 700}{number}" for number in range(101)]
    responses = road.send(*long, url=f"{SITE}/describing/")
    assert [response.json()["path"] for response in responses] == long
    assert {len(batch["requests"]) for batch in road.batches} == {2, 1}


@pytest.mark.parametrize("url", ["/small/", "/two/"])
def test_server_that_does_not_tell_its_limit_is_sent_ever_smaller_batches(road, url):
    addresses = [f"/echo/?{number}" for number in range(8)]
    responses = road.send(*addresses, url=f"{SITE}{url}")
    assert [response.json()["path"] for response in responses] == addresses


def test_request_that_is_too_large_for_any_batch_is_sent_alone(road):
    addresses = ["/echo/?1", f"/echo/?{'x' * 500}"]
    responses = road.send(*addresses, url=f"{SITE}/small/")
    assert [response.json()["path"] for response in responses] == addresses


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("kind", ["garbage", "none", "unknown", "cut"])
def test_answer_that_is_none_fails_everybody(road, kind, stream):
    responses = road.send(*PAGE, url=f"{SITE}/strange/{kind}/", stream=stream)
    assert all(isinstance(response, httpx.RemoteProtocolError) for response in responses), responses


class Lines(httpx.SyncByteStream):
    """The answer to `request`, in lines. It has to be read to its end and closed, so that the connection is kept."""

    def __init__(self, request):
        self.ids = [item["id"] for item in json.loads(request.content)["requests"]]
        self.is_read = self.is_closed = False

    def __iter__(self):
        for each in self.ids:
            yield json.dumps({"id": each, "status": 200, "headers": {}}).encode() + b"\n"
        yield b'{"done":true}\n'
        self.is_read = True

    def close(self):
        self.is_closed = True


def test_stream_is_read_to_its_end_and_closed():
    streams = []

    def answer(request):
        streams.append(Lines(request))
        return httpx.Response(207, stream=streams[-1])

    transport = BatchTransport(BATCH, transport=httpx.MockTransport(answer), stream=True, wait=0.2)
    with httpx.Client(transport=transport, base_url=SITE) as client, ThreadPoolExecutor(3) as pool:
        assert statuses(pool.map(client.get, PAGE)) == [200] * 3
    assert all(stream.is_read and stream.is_closed for stream in streams)


@pytest.mark.parametrize("content", ["Hello.", '{"name": "Batch"}', '{"limits": 7}'])
def test_server_that_tells_no_limits_has_the_usual_ones(road, content):
    after["description"] = content
    assert statuses(road.send(*["/api/me/"] * 101, url=f"{SITE}/silent/")) == [200] * 101
    assert sorted(len(batch["requests"]) for batch in road.batches) == [1, 100]


def test_request_alone_that_cannot_be_sent_fails(road):
    [response] = road.send("/api/me/", transport=httpx.MockTransport(lost))
    assert isinstance(response, httpx.ConnectError)


def lost(request):
    raise httpx.ConnectError("Nobody is there.")


@pytest.mark.parametrize("number", [2, 101])
def test_batch_that_cannot_be_sent_fails_everybody(road, number):
    responses = road.send(*["/api/me/"] * number, transport=httpx.MockTransport(lost))
    assert all(isinstance(response, httpx.ConnectError) for response in responses)


def test_requests_of_two_ticks_are_two_batches():
    inner = RecordedASGI()

    async def page(client):
        return await asyncio.gather(*(client.get(each) for each in PAGE))

    async def pages():
        async with httpx.AsyncClient(transport=AsyncBatchTransport(BATCH, transport=inner), base_url=SITE) as client:
            return [*await page(client), *await page(client)]

    assert statuses(async_to_sync(pages)()) == [200] * 6
    assert [request.url.path for request in inner.requests] == ["/batch/", "/batch/"]


class Held(httpx.AsyncBaseTransport):
    """A server that answers only when it may."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.requests: list[httpx.Request] = []
        self.left = False

    async def handle_async_request(self, request):
        self.requests.append(request)
        self.asked.set()
        try:
            await self.may_answer.wait()
        finally:
            self.left = True
        ids = [item["id"] for item in json.loads(request.content)["requests"]]
        return httpx.Response(207, json={"responses": [{"id": each, "status": 200, "headers": {}} for each in ids]})


async def start(inner, addresses=PAGE, **options):
    client = httpx.AsyncClient(transport=AsyncBatchTransport(BATCH, transport=inner, **options), base_url=SITE)
    return [asyncio.ensure_future(client.get(each)) for each in addresses]


async def cancel(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_cancelled_request_leaves_the_others_alone():
    async def run():
        inner = Held()
        tasks = await start(inner)
        await inner.asked.wait()
        await cancel(tasks[:1])
        assert not inner.left
        inner.may_answer.set()
        assert statuses(await asyncio.gather(*tasks[1:])) == [200, 200]

    asyncio.run(run())


def test_batch_whose_requests_are_all_cancelled_is_given_up():
    async def run():
        inner = Held()
        tasks = await start(inner)
        await inner.asked.wait()
        await cancel(tasks)
        await asyncio.sleep(0)
        assert inner.left

    asyncio.run(run())


def test_request_that_is_cancelled_before_the_batch_is_sent_is_not_in_it():
    async def run():
        inner = Held()
        tasks = await start(inner, [*PAGE, "/api/visits/"], wait=0.01)
        await asyncio.sleep(0)
        await cancel(tasks[:1])
        await inner.asked.wait()
        [batch] = inner.requests
        assert len(json.loads(batch.content)["requests"]) == 3
        await cancel(tasks[1:])

    asyncio.run(run())


def test_requests_that_are_all_cancelled_are_not_sent():
    async def run():
        inner = Held()
        tasks = await start(inner)
        await asyncio.sleep(0)
        await cancel(tasks)
        assert inner.requests == []
        tasks = await start(inner)
        await inner.asked.wait()
        await cancel(tasks)

    asyncio.run(run())
