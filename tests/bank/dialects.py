"""The bank's calls in each dialect: sent as one batch, and what became of them read from its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django_batch.testing import BatchClient
from tests.parts import Answer, answers, change_set, message, multipart, part

from .batches import fates
from .expected import ALONE, Call, failed

JSON, MULTIPART = "application/json", "multipart/mixed; boundary=batch"
Told = list[str | list[str]]  # the fates of a batch; those of a change set are in a list


def as_drawn(calls: Sequence[Call]) -> list[Call]:
    return [*calls]


def adjacent(calls: Sequence[Call]) -> list[Call]:
    """Each group of OData's is in one place."""
    runs = groupby(calls, key=lambda call: call.group)
    return [
        replace(call, group=group and f"{group}{number}") for number, (group, run) in enumerate(runs) for call in run
    ]


def ungrouped(calls: Sequence[Call]) -> list[Call]:
    """Where there are no groups: without what only makes sense in one."""
    return [replace(call, group=None) for call in calls if call.then == "delete" or call.then in ALONE]


def each(calls: Sequence[Call], expected: Sequence[str], goes_on: bool) -> Told:
    return [*expected]


def in_sets(calls: Sequence[Call], expected: Sequence[str], goes_on: bool) -> Told:
    """What is told of change sets: of one that was rolled back only its culprit, and nothing of what was not begun."""
    told: Told = []
    for group, run in groupby(zip(calls, expected, strict=True), key=lambda pair: pair[0].group):
        found = [fate for _, fate in run]
        told += found if group is None else [_set(found)]
    ended = [place for place, each in enumerate(told) if any(map(failed, [each] if isinstance(each, str) else each))]
    return told if goes_on or not ended else told[: ended[0] + 1]


def _set(found: list[str]) -> str | list[str]:
    if any(failed(fate) and fate != "500 on_commit_failed" for fate in found):
        return next((fate for fate in found if fate not in ("424 rolled_back", "424 not_run")), found[0])
    return found


@dataclass(frozen=True)
class Protocol:
    """`send` gives the fates of calls. `fit` makes of any calls such as can be sent, `tell` of what is expected of each
    call what is told."""

    send: Callable[[Sequence[Call], bool], Told]
    fit: Callable[[Sequence[Call]], list[Call]] = as_drawn
    tell: Callable[[Sequence[Call], Sequence[str], bool], Told] = each
    stops: bool = True


def _native(calls: Sequence[Call], goes_on: bool) -> Told:
    return [*fates(BatchClient().batch([call.item() for call in calls], continue_on_error=goes_on))]


def _post(path: str, content: bytes, content_type: str, goes_on: bool = True) -> Any:
    client = BatchClient(headers={"Prefer": f"continue-on-error={goes_on}".lower()})
    response = client.post(path, content, content_type=content_type)
    assert response.status_code == 200, response.content
    return response


def _odata_json(calls: Sequence[Call], goes_on: bool) -> Told:
    items = [
        {"id": str(place), "method": item["method"], "url": item["path"], "atomicityGroup": item.get("atomicity_group")}
        for place, item in enumerate(call.item() for call in calls)
    ]
    response = _post("/bank/$batch", json.dumps({"requests": items}).encode(), JSON, goes_on)
    return [fate(found["status"], code_of(found["body"])) for found in response.json()["responses"]]


def _request(call: Call) -> bytes:
    item = call.item()
    return part(message(str(item["method"]), str(item["path"])))


def _change_sets(calls: Sequence[Call], goes_on: bool) -> Told:
    parts: list[bytes] = []
    for group, run in groupby(calls, key=lambda call: call.group):
        requests = map(_request, run)
        parts += requests if group is None else [change_set(requests, f"set-{group}")]
    response = _post("/bank/parts/$batch", multipart(parts), MULTIPART, goes_on)
    found = answers(response.content, response.headers["Content-Type"])
    return [[*map(_fate_of, each)] if isinstance(each, list) else _fate_of(each) for each in found]


def _google(calls: Sequence[Call], goes_on: bool) -> Told:
    response = _post("/bank/google", multipart(map(_request, calls)), MULTIPART)
    return [_fate_of(found) for found in answers(response.content, response.headers["Content-Type"])]  # type: ignore[arg-type]  # there are no change sets


def _facebook(calls: Sequence[Call], goes_on: bool) -> Told:
    items = [call.item() for call in calls]
    operations = [{"method": item["method"], "relative_url": item["path"]} for item in items]
    response = _post("/bank/facebook", json.dumps({"batch": operations}).encode(), JSON)
    return [fate(found["code"], code_of(json.loads(found["body"] or "null"))) for found in response.json()]


def _fate_of(answer: Answer) -> str:
    return fate(answer.status, code_of(answer.json()) if answer.headers.get("Content-Type") == JSON else "")


def fate(status: int, code: str) -> str:
    """The status, and the code if the package gave it, in the words of the native format."""
    return f"{status} {re.sub('(?<=[a-z])(?=[A-Z])', '_', code).lower()}".rstrip()


def code_of(body: Any) -> str:
    """The code in an error, as each dialect writes it. Text of the site's has none."""
    match body:
        case {"error": {"errors": [{"reason": str(code)}, *_]} | {"error_data": {"code": str(code)}}}:
            return code
        case {"error": {"code": str(code)}}:
            return code
    return ""


PROTOCOLS = {
    "native": Protocol(_native),
    "odata json": Protocol(_odata_json, adjacent),
    "odata multipart": Protocol(_change_sets, adjacent, in_sets),
    "google": Protocol(_google, ungrouped, stops=False),
    "facebook": Protocol(_facebook, ungrouped, stops=False),
}
