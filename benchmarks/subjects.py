"""How a scenario is sent, in one process: in batches and in every other way.

A subject is prepared, then run. What any sender or server would have ready (an environ, the bytes of a body) is made
while it is prepared, and not measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.test import Client
from django.urls import resolve

from benchmarks import peers
from benchmarks.scenarios import MULTIPART, SCENARIOS, Scenario, batch, environ, multipart

_AGE = 1_100  # requests


@dataclass(frozen=True)
class Subject:
    """A way to send.

    `prepare` takes a scenario and how many times it is sent, `run` what that has made; `statuses` reads what came back.
    `skips` are scenarios that it cannot answer.
    """

    prepare: Callable[[Scenario, int], Any]
    run: Callable[[Any], Any]
    statuses: Callable[[Any], Iterable[int]]
    skips: tuple[str, ...] = ()


@cache
def handler() -> WSGIHandler:
    """The site, as a WSGI server has it: one per process."""
    return WSGIHandler()


def send(request: dict[str, Any]) -> tuple[str, bytes]:
    """Status and body of what the site answers to an environ, read and closed as a WSGI server does."""
    sent = []
    response = handler()(request, lambda status, headers: sent.append(status))
    content = b"".join(response)
    response.close()
    return sent[0], content


def environs(scenario: Scenario, n: int) -> list[dict[str, Any]]:
    """`n` requests."""
    return [environ(scenario.method, path, scenario.body, scenario.headers) for path in scenario.paths(n)]


def _requests(scenario: Scenario, n: int) -> list[WSGIRequest]:
    return [WSGIRequest(each) for each in environs(scenario, n)]


def _views(scenario: Scenario, n: int) -> tuple[Callable[..., Any], list[WSGIRequest]]:
    """The view, and requests as they come out of the middlewares, whose user is loaded."""
    requests = _requests(scenario, n)
    if "HTTP_COOKIE" in scenario.headers:
        from django.contrib.auth import get_user_model

        user = get_user_model().objects.get()
        for request in requests:
            request.user = user
    return resolve(scenario.paths(1)[0]).func, requests


def _view(prepared: tuple[Callable[..., Any], list[WSGIRequest]]) -> list[int]:
    view, requests = prepared
    return [_rendered(view(request)).status_code for request in requests]


def _rendered(response: Any) -> Any:
    return response.render() if hasattr(response, "render") else response


def _floor(requests: list[WSGIRequest]) -> list[int]:
    return [handler().get_response(request).status_code for request in requests]


def _alone(requests: list[dict[str, Any]]) -> list[int]:
    return [int(send(request)[0][:3]) for request in requests]


def _client(prepared: tuple[Client, Scenario, int]) -> list[int]:
    client, scenario, n = prepared
    content = {"data": scenario.body, "content_type": "application/json"} if scenario.body else {}
    return [client.generic(scenario.method, path, **content).status_code for path in scenario.paths(n)]


def _prepare_batch(scenario: Scenario, n: int) -> dict[str, Any]:
    return environ("POST", "/batch/", batch(scenario, n), scenario.headers)


def _google(scenario: Scenario, n: int) -> dict[str, Any]:
    return environ("POST", "/google/", multipart(scenario, n), {**scenario.headers, "CONTENT_TYPE": MULTIPART})


def _drf_batch_requests(scenario: Scenario, n: int) -> dict[str, Any]:
    body = batch(scenario, n, items="batch", path="relative_url")
    return environ("POST", "/drf-batch-requests/", body, scenario.headers)


def _django_batch_requests(scenario: Scenario, n: int) -> dict[str, Any]:
    content = {"method": scenario.method, "body": scenario.body.decode()}
    items = [{"url": path, **content} for path in scenario.paths(n)]
    return environ("POST", "/django-batch-requests/", json.dumps(items).encode(), scenario.headers)


def _content(request: dict[str, Any]) -> bytes:
    return send(request)[1]


def _read(name: str, wrapped: str | None = None) -> Callable[[bytes], list[int]]:
    """What reads the statuses of a batch, from the member `name` of each item."""

    def statuses(content: bytes) -> list[int]:
        answer = json.loads(content)
        return [item[name] for item in (answer[wrapped] if wrapped else answer)]

    return statuses


SUBJECTS = {
    "view": Subject(_views, _view, list),
    "floor": Subject(_requests, _floor, list),
    "batch": Subject(_prepare_batch, _content, _read("status", "responses")),
    "google": Subject(_google, _content, lambda content: map(int, re.findall(rb"\nHTTP/1.1 (\d+)", content))),
    "alone": Subject(environs, _alone, list),
    "client": Subject(lambda scenario, n: (Client(**scenario.headers), scenario, n), _client, list),
}
if peers.DRF_BATCH_REQUESTS:
    SUBJECTS["drf-batch-requests"] = Subject(_drf_batch_requests, _content, _read("code"))
if peers.DJANGO_BATCH_REQUESTS:  # it calls the views without their middlewares, so nobody is logged in
    SUBJECTS["django-batch-requests"] = Subject(
        _django_batch_requests, _content, _read("status_code"), skips=("session", "postgresql")
    )


def check(subject: Subject, scenario: Scenario, n: int) -> None:
    """Run `subject` once. Raises `AssertionError` if not all of it was answered with success."""
    statuses = list(subject.statuses(subject.run(subject.prepare(scenario, n))))
    expected = [201 if scenario.name == "create" else 200] * n
    assert statuses == expected, f"{subject.prepare.__name__}, {scenario.title}: {statuses[:10]}"


def age(scenario: str) -> None:
    """Answer as many requests as a site soon has.

    Python 3.13 stops to remember what it finds in a class that has changed a thousand times, as REST framework's
    `Field` does with each field that is made. What is measured first would else be measured on a younger process.
    """
    check(SUBJECTS["floor"], SCENARIOS[scenario], _AGE)


def pairs(scenarios: Iterable[str], subjects: Iterable[str]) -> Iterator[tuple[Scenario, str, Subject]]:
    """Every scenario with the name and the subject of every way to send it."""
    for scenario in scenarios:
        for name in subjects:
            if name in SUBJECTS and scenario not in SUBJECTS[name].skips:
                yield SCENARIOS[scenario], name, SUBJECTS[name]
