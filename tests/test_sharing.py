"""What is loaded once per batch changes nothing: the same answers and the same rows, shared, not shared, and alone.

Whatever a sub-request does to users, tokens and sessions, those after it see as they would alone; and what it does to
its own objects, they do not see.
"""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from django.contrib.auth import get_user_model
from hypothesis import given
from hypothesis import strategies as st

from django_batch.testing import BatchClient

from .equivalence.calls import api, login
from .equivalence.client import JSON, Answer, Call
from .equivalence.rights import CHANGES, NAME
from .equivalence.runs import alone, in_a_batch, run, without_sharing
from .equivalence.senders import Sender
from .equivalence.sites import SESSION_ENGINES, Site
from .equivalence.traces import differences
from .equivalence.wire import write_batch
from .file_databases import in_files

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

WHO = [Call("GET", "/who/"), Call("GET", "/who/page/"), Call("POST", "/who/")]
CALLS = st.one_of(
    st.sampled_from(WHO),
    st.sampled_from(WHO),
    st.sampled_from([Call("GET", f"/change/{name}/") for name in CHANGES]),
    st.sampled_from(
        [
            api("POST", "/api/login/", login(NAME)),
            api("POST", "/api/login/", login("ben")),
            api("POST", "/api/logout/"),
            Call("GET", "/api/broken/"),
            Call("GET", "/api/visits/"),
        ]
    ),
)
SITES = st.builds(
    Site,
    session_engine=st.sampled_from(SESSION_ENGINES),
    save_every_request=st.booleans(),
    atomic_requests=st.booleans(),
    chain=st.just("stock"),
    shares=st.just(True),
)
PASSWORD = "Basic " + b64encode(f"{NAME}:{NAME}-secret".encode()).decode()
KNOWN_BY = {
    "session": Sender(login=NAME),
    "token": Sender(authorization=f"Token {NAME}-token"),
    "password": Sender(authorization=PASSWORD),
}
SENDERS = st.one_of(
    st.builds(Sender, login=st.sampled_from([None, NAME, NAME, "staff"])),
    st.builds(
        Sender,
        login=st.sampled_from([None, NAME]),
        authorization=st.sampled_from([f"Token {NAME}-token", PASSWORD]),
    ),
)


def in_groups(client, site, sender, calls):
    """The answers to `calls`, every two of them a group. What a group makes of them, no call alone knows."""
    batch = json.loads(write_batch(calls, prefix=site.prefix))
    for place, item in enumerate(batch["requests"]):
        item["atomicity_group"] = f"group {place // 2}"
    content = client.exchange("POST", site.batch_path, {"Content-Type": JSON}, json.dumps(batch).encode()).body
    return [Answer(each["status"], {}, json.dumps(each["body"]).encode()) for each in json.loads(content)["responses"]]


@pytest.fixture
def leaves(bookshop, tmp_path):
    """The traces of calls, sent in one way."""

    def leaves(how, site, sender, calls):
        bookshop()
        return run(how, site, sender, calls, folder=tmp_path)

    return leaves


@given(site=SITES, sender=SENDERS, calls=st.lists(CALLS, min_size=2, max_size=10))
def test_shared_credentials_leave_what_requests_leave_alone(site, sender, calls, leaves):
    expected = leaves(alone, site, sender, calls)
    for how in (in_a_batch, without_sharing(in_a_batch)):
        assert list(differences(expected, leaves(how, site, sender, calls))) == []


@given(site=SITES, sender=SENDERS, calls=st.lists(CALLS, min_size=2, max_size=10))
def test_groups_leave_the_same_with_shared_credentials_and_without(site, sender, calls, leaves):
    expected = leaves(without_sharing(in_groups), site, sender, calls)
    assert list(differences(expected, leaves(in_groups, site, sender, calls))) == []


@pytest.mark.parametrize("sender", KNOWN_BY.values(), ids=KNOWN_BY)
@pytest.mark.parametrize("change", CHANGES)
def test_change_is_seen_by_those_after_it(change, sender, leaves):
    calls = [*WHO, Call("GET", "/change/put/"), *WHO, Call("GET", f"/change/{change}/"), *WHO]
    site = Site(shares=True)
    expected = leaves(alone, site, sender, calls)
    assert list(differences(expected, leaves(in_a_batch, site, sender, calls))) == []


SAFE = {"path": "/who/"}


@pytest.mark.urls("tests.equivalence.urls")
@pytest.mark.parametrize("known_by", ["session", "token", "password"])
def test_steps_side_by_side_know_the_sender_as_one_after_another(
    known_by, templates, transactional_db, tmp_path, settings
):
    settings.BATCH = {"EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}
    changes = [{"method": "POST", "path": f"/change/{name}/"} for name in CHANGES]
    requests = [each for change in changes for each in (change, SAFE, SAFE, SAFE)]
    client = BatchClient(HTTP_AUTHORIZATION=KNOWN_BY[known_by].authorization or "")
    with in_files(templates, tmp_path) as restore:
        answers = []
        for parallel in (False, True):
            restore()
            if known_by == "session":
                client.force_login(
                    get_user_model().objects.get(username=NAME), "django.contrib.auth.backends.ModelBackend"
                )
            answers.append(client.batch(requests, parallel=parallel))
    assert answers[0] == answers[1]
