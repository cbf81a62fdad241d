"""The second law in other formats: OData's, Google's and Facebook's.

They leave out headers that the native format refuses, and know relative URLs. So each attack is compared with what the
same does alone, and with what is expected of it as far as that can be said in the format.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest

from .attacks.dialects import PROTOCOLS
from .attacks.senders import Attack, Item, Sender, get
from .attacks.table import ATTACKS
from .test_rights import readings, rows

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls("tests.attacks.site"),
]

HERE = "http://testserver/"
# What a refusal of an item is in a dialect that has no codes of ours.
STATUSES = {
    "malformed": 400,
    "not_found": 404,
    "method_not_allowed": 405,
    "unresolved_reference": 424,
    "batch_limit_exceeded": 413,
    **dict.fromkeys(["nested_batch", "batch_exempt", "group_exempt"], 403),
    **dict.fromkeys(["rolled_back", "not_run"], 424),
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ATTACKS)
def test_attack_does_no_better_in_another_dialect_than_alone(bookshop, caplog, subtests, name, protocol):
    caplog.set_level("DEBUG", "django_batch")
    for number, attack in enumerate(ATTACKS[name]):
        if attack.members:  # which the native format alone has
            continue
        said = attack.where(PROTOCOLS[protocol].can_say)
        with subtests.test(number=number), attack.on_site():
            if said.items:
                assert_no_gain_in(protocol, said, bookshop)
    assert all(len(record.getMessage().splitlines()) == 1 for record in caplog.records)


def assert_no_gain_in(name: str, attack: Attack, restore: Callable[[], None]) -> None:
    """`attack`, sent in the dialect of this `name`, does what it does alone at most.

    If one item refuses the others too, each is tried by itself.
    """
    restore()
    before = rows()
    response = PROTOCOLS[name].send(attack.items, attack.sender, name)
    changed = rows() ^ before
    if response.status_code != 200:
        assert 300 < response.status_code < 500
        assert not changed
        assert attack.may_be_refused
        for each in attack.each():
            assert_no_gain_in(name, each, restore)
        return
    assert not isinstance(attack.answers, int)
    restore()
    alone = attack.sender.send_alone([*map(as_alone, attack.items, attack.expected)])
    told = PROTOCOLS[name].told(response, attack.items)
    for item, expected, answer, response in zip(attack.items, expected_in(name, attack), told, alone, strict=True):
        assert "Set-Cookie" not in answer.headers
        if isinstance(attack.answers, list) and expected != "header_not_allowed":
            assert answer.status == STATUSES.get(expected, expected)
        if answer.status < 400 and not is_a_culprit(name, item):
            assert not is_elsewhere(item["path"])
            assert answer.status == response.status_code
            assert answer.body in readings(response)
    assert changed <= rows() ^ before


def expected_in(name: str, attack: Attack) -> list[int | str]:
    """What is expected of each item. A failed change set has one answer: that of the member that made it fail."""
    if name != "odata-parts":
        return attack.expected
    in_set = ["atomicity_group" in item for item in attack.items]
    of_set = [expected for expected, inside in zip(attack.expected, in_set, strict=True) if inside]
    culprit = next((each for each in of_set if each not in ("rolled_back", "not_run")), "")
    return [culprit if inside else expected for expected, inside in zip(attack.expected, in_set, strict=True)]


def is_a_culprit(name: str, item: Item) -> bool:
    """Whether the answer may be that of another member of the change set."""
    return name == "odata-parts" and "atomicity_group" in item


WORDS = {
    "odata-json": lambda body: body["error"]["code"],
    "odata-parts": lambda body: json.loads(body)["error"]["code"],
    "google": lambda body: json.loads(body)["error"]["errors"][0]["reason"],
    "facebook": lambda body: json.loads(body)["error"]["error_data"]["code"],
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_view_that_is_in_no_batch_is_refused_in_the_words_of_the_one_that_asks(bookshop, name):
    items = [get(path) for path in ("/batch/", *(f"/{other}-batch/" for other in PROTOCOLS), "/exempt/")]
    response = PROTOCOLS[name].send(items, Sender(), name)
    told = [WORDS[name](answer.body) for answer in PROTOCOLS[name].told(response, items)]
    assert [code.replace("_", "").lower() for code in told] == ["nestedbatch"] * 5 + ["batchexempt"]


def as_alone(item: Item, expected: int | str) -> Item:
    """`item` as a request. Its URL may be relative, and without headers that may not be set it is sent."""
    headers = {} if expected == "header_not_allowed" else item.get("headers", {})
    path = item["path"] if item["path"].startswith("/") or is_elsewhere(item["path"]) else urljoin(HERE, item["path"])
    return {**item, "headers": headers, "path": path}


def is_elsewhere(path: str) -> bool:
    try:
        url = urlsplit(urljoin(HERE, path))
    except ValueError:
        return True
    return (url.scheme, url.netloc.lower().removesuffix(":80")) != ("http", "testserver")
