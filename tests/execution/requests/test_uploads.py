"""Sub-requests with files, as their views see them."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Lock
from urllib.parse import urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpRequest, JsonResponse
from django.test import Client
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rest_framework.decorators import api_view, parser_classes
from rest_framework.parsers import JSONParser
from rest_framework.response import Response

from django_batch.core.batch import Batch, File, Subrequest, Subresponse
from django_batch.execution.requests.uploads import Upload
from django_batch.views import run_batch
from tests.forms import URLENCODED

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(databases="__all__")]
MIB = 2**20


@csrf_exempt
def seen(request: HttpRequest) -> JsonResponse:
    """What a view sees of a form."""
    files = [
        [name, file.name, file.content_type, str(file.charset), file.size, file.read().hex()]
        for name, found in request.FILES.lists()
        for file in found
    ]
    return JsonResponse({"fields": dict(request.POST.lists()), "files": files})


@api_view(["POST"])
@parser_classes([JSONParser])
def only_json(request: HttpRequest) -> Response:
    return Response(request.data)


urlpatterns = [path("seen/", seen), path("json/", only_json)]


def file(field: str, content: bytes, name: str = "a.png", content_type: str = "image/png") -> File:
    stream, lock = BytesIO(content), Lock()

    def read(position: int, size: int) -> bytes:
        with lock:
            stream.seek(position)
            return stream.read(size)

    return File(field, name, content_type, len(content), read)


def upload(*files: File, body: bytes = b"", path: str = "/seen/", **more: object) -> Subrequest:
    return Subrequest("0", "POST", path, body=body, files=files, **more)


def send(rf, *subrequests: Subrequest, **members: object) -> Sequence[Subresponse]:
    named = tuple(replace(each, id=str(place)) for place, each in enumerate(subrequests))
    return run_batch(rf.post("/"), Batch(named, **members))


def as_seen(*answers: Subresponse) -> list[object]:
    assert [answer.status for answer in answers] == [200] * len(answers)
    return [json.loads(answer.body) for answer in answers]


CONTENTS = st.binary(max_size=200) | st.sampled_from([b"\r\n", b"--", b"\r\n--x--\r\n", b"x" * 200_000])
# What Django's test client, which quotes nothing, can send.
NAMES = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='"\\/&'), min_size=1)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
FIELDS = st.dictionaries(NAMES, st.lists(TEXTS, min_size=1, max_size=3), max_size=3)
FILES = st.dictionaries(NAMES, st.lists(st.tuples(NAMES, CONTENTS), min_size=1, max_size=2), min_size=1, max_size=3)


@given(fields=FIELDS, files=FILES)
def test_view_sees_what_it_sees_alone(rf, fields, files):
    uploads = {
        name: [SimpleUploadedFile(f"{filename}.png", content, "image/png") for filename, content in each]
        for name, each in files.items()
    }
    alone = Client().post("/seen/", {**{f"f{name}": each for name, each in fields.items()}, **uploads}).json()
    parts = [file(name, content, f"{filename}.png") for name, each in files.items() for filename, content in each]
    body = urlencode({f"f{name}": each for name, each in fields.items()}, doseq=True).encode()
    assert as_seen(*send(rf, upload(*parts, body=body))) == [alone]


HOSTILE = [
    '"',
    "\\",
    "a\\",
    '"\r\n\r\nx',
    "\r\nContent-Type: x",
    '"; filename="x',
    "a;b=c",
    "\n",
    "&quot;",
    "%22",
]
QUOTED = {'"': "%22", "\\": "%5C", "\r": "%0D", "\n": "%0A"}


@pytest.mark.parametrize("name", HOSTILE)
def test_name_stays_a_name(rf, name):
    quoted = "".join(QUOTED.get(letter, letter) for letter in name)
    body = urlencode({name: "1"}).encode()
    (answer,) = as_seen(*send(rf, upload(file(name, b"2", name), file("last", b"3"), body=body)))
    assert answer["fields"] == {quoted: ["1"]}
    assert answer["files"] == [
        [quoted, quoted if name != "&quot;" else name, "image/png", "None", 1, "32"],
        ["last", "a.png", "image/png", "None", 1, "33"],
    ]


@pytest.mark.parametrize(
    ("content_type", "seen_type", "charset"),
    [
        ("", "", "None"),
        ('text/plain; charset="utf-8"', "text/plain", "b'utf-8'"),
        ("text/plain\r\n\r\nforged", "text/plainforged", "None"),
    ],
)
def test_content_type_of_a_file_is_the_one_that_was_sent(rf, content_type, seen_type, charset):
    (answer,) = as_seen(*send(rf, upload(file("f", b"", content_type=content_type))))
    assert answer["files"] == [["f", "a.png", seen_type, charset, 0, ""]]


@pytest.mark.parametrize(
    "body",
    [b"", b"&&", b"a", b"a=", b"a=1&a=2&b=%C3%BC+%26&c=%ff", b"=1", "ü=ü".encode(), b"a=%", b"a=1=2"],
)
def test_fields_are_those_of_the_urlencoded_body(rf, body):
    alone = Client().generic("POST", "/seen/", body, URLENCODED).json()
    (answer,) = as_seen(*send(rf, upload(file("f", b""), body=body)))
    assert answer["fields"] == alone["fields"]


def test_view_that_takes_no_form_answers_so(rf):
    (answer,) = send(rf, upload(file("f", b"1"), path="/json/"))
    assert answer.status == 415


def test_type_that_an_item_names_gives_way_to_that_of_the_form(rf):
    (answer,) = as_seen(*send(rf, upload(file("f", b"1"), headers=(("content-type", URLENCODED),))))
    assert answer["files"]


def test_one_file_is_sent_to_several(rf):
    shared = file("f", b"\x00" * 100_000)
    first, second, third = as_seen(*send(rf, *[upload(shared)] * 3))
    assert first == second == third
    assert first["files"][0][4] == 100_000


def test_one_file_is_sent_side_by_side():
    shared = file("f", bytes(range(256)) * 2_000)
    with ThreadPoolExecutor(8) as pool:
        forms = [*pool.map(lambda _: Upload(upload(shared)).stream().read(), range(32))]
    assert all(bytes(range(256)) * 2_000 in each for each in forms)


def test_each_form_has_a_boundary_of_its_own():
    first, second = (Upload(upload(file("f", b""))) for _ in range(2))
    assert first.headers != second.headers


@pytest.mark.parametrize("size", [0, 1, 7, 1_000, MIB])
def test_length_is_that_of_what_is_read(size):
    form = Upload(upload(file("f", b"x" * size), file("g", b"y" * size), body=b"a=1"))
    assert len(form.stream().read()) == form.size


def test_lines_can_be_read_one_by_one():
    lines = Upload(upload(file("f", b"1\n2"))).stream().readlines()
    assert lines[-3:-1] == [b"1\n", b"2\r\n"]


def test_files_are_never_held_together():
    def zeros(position: int, size: int) -> bytes:
        return bytes(min(size, 16 * MIB - position))

    large = File("f", "large", "", 16 * MIB, zeros)
    tracemalloc.start()
    try:
        content = Upload(upload(large, large, large)).stream()
        size = sum(len(chunk) for chunk in iter(lambda: content.read(2**16), b""))
        peak = tracemalloc.get_traced_memory()[1] / MIB
    finally:
        tracemalloc.stop()
    assert size > 48 * MIB
    assert peak < 1
