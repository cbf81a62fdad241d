"""What waits for what: `depends_on`, groups, failures that spread, and that threads change nothing of it."""

from __future__ import annotations

import pytest
from django.urls import include, path
from hypothesis import given
from hypothesis import strategies as st

from django_batch.execution.executors import ThreadExecutor
from django_batch.signals import subrequest_finished
from django_batch.testing import BatchClient
from django_batch.views import BatchView
from example_project.bookshop.models import ArchivedOrder, Book, Order, OrderLine
from tests.bank.batches import fates

pytestmark = [pytest.mark.django_db(transaction=True, databases="__all__"), pytest.mark.urls(__name__)]

urlpatterns = [
    path("", include("example_project.urls")),
    path("threads/", BatchView.as_view(executor=ThreadExecutor)),
    path("threads/unordered/", BatchView.as_view(executor=ThreadExecutor, parallel_writes=True)),
]
SHARED = "/api/orders/A-99/"
FAILURES = ({"path": "/api/broken/"}, {"path": "/api/books/999/"}, {"method": "DELETE", "path": "/api/orders/NONE/"})


@pytest.fixture
def ada():
    client = BatchClient()
    client.credentials(HTTP_AUTHORIZATION="Token ada-token")
    return client


# The law: threads give the answers and the rows of one thread.


def put(number, note):
    return {"method": "PUT", "path": f"/api/orders/{number}/", "body": {"note": note}}


def own(position):
    """What touches the keys of one item only, so that it may run beside anything."""
    return st.sampled_from(
        [
            put(f"N-{position}", f"Note {position}."),
            put(f"A-{2 * position + 1}", "Changed."),
            put(f"N-{position}", None),
            {"method": "DELETE", "path": f"/api/orders/A-{2 * position + 1}/"},
            {"path": f"/api/orders/A-{2 * position + 1}/"},
            *FAILURES,
        ]
    )


def referring(position, name):
    """What is made of the answer to another item."""
    return st.sampled_from(
        [
            put(f"N-{position}", {"$ref": f"{name}#/body/note"}),
            put(f"N-{position}", {"$ref": f"{name}#/headers/Content-Length"}),
            {"path": f"/api/orders/{{{name}#/body/number}}/"},
            {"path": f"/api/orders/N-{position}/?page={{{name}#/status}}"},
        ]
    )


reading_shared = st.just({"path": SHARED})
writing_shared = st.sampled_from(
    [
        put("A-99", "First."),
        put("A-99", "Second."),
        {"method": "DELETE", "path": SHARED},
        {"method": "POST", "path": f"{SHARED}lines/", "body": {"book": 1, "quantity": 4}},
        {"method": "POST", "path": "/api/orders/A-37/archive/"},
        {"method": "POST", "path": "/api/orders/A-39/archive/"},
    ]
)


@st.composite
def shapes(draw):
    """Which items are in a group, and what each depends on: mostly on those of a lower rank, so that it can be run."""
    size = draw(st.integers(2, 9))
    groups = [draw(st.sampled_from([None, None, None, "g", "h"])) for _ in range(size)]
    ranks = draw(st.permutations(range(size)))
    anything = st.sampled_from([str(position) for position in range(size)] + [group for group in groups if group])
    return [
        {
            **({"atomicity_group": groups[position]} if groups[position] else {}),
            "depends_on": draw(st.lists(st.sampled_from(earlier), unique=True, max_size=3) if earlier else st.just([]))
            + draw(st.lists(anything, max_size=1) if draw(st.integers(0, 9)) == 0 else st.just([])),
        }
        for position in range(size)
        for earlier in [[str(other) for other in range(size) if ranks[other] < ranks[position]]]
    ]


@st.composite
def graphs(draw, *, shared):
    """Items that depend on each other. With `shared`, single ones also write what others read and write."""
    return [{**draw(actions(position, members, shared)), **members} for position, members in enumerate(draw(shapes()))]


def actions(position, members, shared):
    choices = [own(position), *(referring(position, name) for name in members["depends_on"] if name.isdigit())]
    if shared:
        choices.append(reading_shared)
    if shared and "atomicity_group" not in members:
        choices.append(writing_shared)
    return st.one_of(choices)


def outcome(ada, url, batch):
    """The answers to `batch`, and all rows that it can change; without the ids that the order of groups decides."""
    response = ada.send_batch({"requests": batch, "parallel": True}, path=url)
    return {
        "answer": response.json(),
        "orders": sorted(Order.objects.values_list("number", "owner", "note")),
        "lines": sorted(OrderLine.objects.values_list("order__number", "book", "quantity", "price")),
        "stock": list(Book.objects.values_list("stock", flat=True)),
        "archive": sorted(ArchivedOrder.objects.values_list("number", "total")),
    }


# URL -> batches that mean the same there as on one thread. Out of their order, writes must not touch the same rows.
batches = st.one_of(
    st.tuples(st.just("/threads/"), graphs(shared=True)),
    st.tuples(st.just("/threads/unordered/"), graphs(shared=False)),
)


@given(sent=batches)
def test_law_threads_do_what_one_thread_does(ada, sent, bookshop_in_files):
    url, batch = sent
    bookshop_in_files()
    serial = outcome(ada, "/batch/", batch)
    bookshop_in_files()
    assert outcome(ada, url, batch) == serial


# The order.


@pytest.fixture
def finished():
    """The ids in the order they were answered."""
    ids = []

    def note(subrequest, **kwargs):
        ids.append(subrequest.id)

    subrequest_finished.connect(note)
    yield ids
    subrequest_finished.disconnect(note)


def in_order(waits):
    """The keys of `waits`, always the smallest of those whose turn has come, and without those that never start."""
    order = []
    while ready := [key for key in waits if key not in order and waits[key].issubset(order)]:
        order.append(min(ready))
    return order


def expected_order(batch):
    """The ids as one thread runs them. Those that can never start are missing."""
    step_of = {}
    for position, item in enumerate(batch):
        step_of[str(position)] = step_of.setdefault(item.get("atomicity_group", str(position)), position)
    steps = {}
    for position, item in enumerate(batch):
        steps.setdefault(step_of[str(position)], []).append((position, item))
    waits = {
        step: {step_of[name] for _, item in members for name in item["depends_on"]} - {step}
        for step, members in steps.items()
    }
    return [str(position) for step in in_order(waits) for position in in_order(inner_waits(steps[step]))]


def inner_waits(members):
    """What the members of one step wait for inside it. Who waits for the own group waits for itself."""
    positions = {str(position) for position, _ in members}
    names = {item["atomicity_group"]: positions for _, item in members if "atomicity_group" in item}
    return {
        position: {int(each) for name in item["depends_on"] for each in names.get(name, {name}) if each in positions}
        for position, item in members
    }


@given(batch=shapes())
def test_law_batch_order_as_far_as_dependencies_allow(batch, bookshop, finished):
    finished.clear()
    response = BatchClient().send_batch({"requests": [{"path": "/api/content/text/", **each} for each in batch]})
    expected = expected_order(batch)
    assert finished == (expected if len(expected) == len(batch) else [])
    assert response.status_code == (207 if finished else 400)


def get(id_, *depends_on, **members):
    return {"id": id_, "path": "/api/content/text/", "depends_on": list(depends_on), **members}


def fail(id_, *depends_on, **members):
    return {**get(id_, *depends_on, **members), "path": "/api/content/nothing/"}


def test_dependency_further_down_runs_first_and_is_answered_in_its_place(bookshop, finished):
    answers = BatchClient().batch([get("a", "c"), get("b"), get("c")])
    assert finished == ["b", "c", "a"]
    assert [answer["id"] for answer in answers] == ["a", "b", "c"]


def test_group_runs_at_the_place_of_its_first_member(bookshop, finished):
    BatchClient().batch([get("a"), get("b", atomicity_group="g"), get("c"), get("d", atomicity_group="g")])
    assert finished == ["a", "b", "d", "c"]


def test_member_that_depends_on_a_later_member_runs_after_it(bookshop, finished):
    group = {"atomicity_group": "g"}
    answers = BatchClient().batch([get("a", "c", **group), get("b", **group), get("c", **group)])
    assert finished == ["b", "c", "a"]
    assert fates(answers) == ["200", "200", "200"]


def test_atomic_batch_runs_in_the_order_of_its_dependencies(bookshop, finished):
    BatchClient().batch([get("a", "b"), get("b")], atomic=True)
    assert finished == ["b", "a"]


def test_answer_of_a_member_is_there_for_the_next_member(ada, bookshop):
    first = {"id": "first", "atomicity_group": "g", **put("N-1", "As a gift.")}
    second = {"depends_on": "first", "atomicity_group": "g", **put("N-2", {"$ref": "first#/body/note"})}
    assert fates(ada.batch([first, second])) == ["201", "201"]
    assert Order.objects.get(number="N-2").note == "As a gift."


def test_redirect_is_no_failure(bookshop):
    assert fates(BatchClient().batch([{"id": "a", "path": "/accounts/profile/"}, get("b", "a")])) == ["302", "200"]


# Failures.


def test_failure_spreads_through_a_whole_chain(ada, bookshop):
    chain = [{**put(f"N-{number}", "x"), "depends_on": str(number - 1)} for number in range(1, 60)]
    answers = ada.batch([{"path": "/api/broken/"}, *chain])
    assert fates(answers) == ["500"] + ["424 failed_dependency"] * 59
    assert answers[7]["body"]["detail"] == "Not run because it depends on '6', which failed."
    assert not Order.objects.filter(number__startswith="N-").exists()


def test_failed_dependencies_are_named_and_the_others_not(bookshop):
    answers = BatchClient().batch([fail("a"), get("b"), fail("c"), get("d", "a", "b", "c")])
    assert answers[3]["body"]["detail"] == "Not run because it depends on 'a', 'c', which failed."


def test_what_does_not_depend_on_a_failure_goes_on(bookshop):
    answers = BatchClient().batch([fail("a"), get("b"), get("c", "b"), get("d", "a")])
    assert fates(answers) == ["404", "200", "200", "424 failed_dependency"]


@pytest.mark.parametrize("name", ["g", "b", "c"])
def test_failed_group_fails_what_depends_on_it_or_on_any_member(bookshop, name):
    group = {"atomicity_group": "g"}
    answers = BatchClient().batch([get("a", name), get("b", **group), fail("c", **group)])
    assert fates(answers) == ["424 failed_dependency", "424 rolled_back", "404"]
    assert answers[0]["body"]["detail"] == f"Not run because it depends on {name!r}, which failed."


def test_group_that_succeeds_lets_its_dependents_run(bookshop, finished):
    answers = BatchClient().batch([get("a", "g"), *(get(name, atomicity_group="g") for name in "bcd")])
    assert fates(answers) == ["200"] * 4
    assert finished == ["b", "c", "d", "a"]


def test_group_is_not_started_when_a_dependency_of_one_member_failed(ada, bookshop):
    group = {"atomicity_group": "g"}
    batch = [fail("a"), {**put("N-1", "x"), **group}, get("c", "a", **group), get("d", "g")]
    answers = ada.batch(batch)
    assert fates(answers) == ["404", "424 not_run", "424 failed_dependency", "424 failed_dependency"]
    assert answers[1]["body"]["detail"] == "Not run because a dependency of its group failed."
    assert not Order.objects.filter(number="N-1").exists()


def test_failing_member_stops_those_that_depend_on_it_in_its_group(bookshop):
    group = {"atomicity_group": "g"}
    answers = BatchClient().batch([fail("a", **group), get("b", "a", **group), get("c", "b")])
    assert fates(answers) == ["404", "424 not_run", "424 failed_dependency"]


# The stop at the first failure.


def test_stop_at_the_first_failure_leaves_the_rest_undone(ada, bookshop):
    answers = ada.batch([put("N-1", "x"), fail("b"), put("N-2", "x"), get("d", "b")], continue_on_error=False)
    assert fates(answers) == ["201", "404", "424 not_run", "424 not_run"]
    assert answers[2]["body"]["detail"] == "Not run because the batch stopped at the first failure."
    assert list(Order.objects.filter(number__startswith="N-").values_list("number", flat=True)) == ["N-1"]


def test_stop_counts_in_the_order_of_dependencies(bookshop):
    answers = BatchClient().batch([get("a", "c"), get("b"), fail("c")], continue_on_error=False)
    assert fates(answers) == ["424 not_run", "200", "404"]


def test_failing_group_stops_the_batch(bookshop):
    batch = [get("a", atomicity_group="g"), get("b"), fail("c", atomicity_group="g")]
    answers = BatchClient().batch(batch, continue_on_error=False)
    assert fates(answers) == ["424 rolled_back", "424 not_run", "404"]


def test_refused_item_stops_the_batch(bookshop):
    refused = {"path": "/api/content/text/", "headers": {"Host": "evil.example"}}
    answers = BatchClient().batch([refused, get("b")], continue_on_error=False)
    assert fates(answers) == ["400 header_not_allowed", "424 not_run"]


def test_batch_without_a_failure_runs_to_its_end(bookshop):
    assert fates(BatchClient().batch([get("a"), get("b", "a")], continue_on_error=False)) == ["200", "200"]


# Refusals.

G, H = {"atomicity_group": "g"}, {"atomicity_group": "h"}
# batch -> the code, and for each place that is wrong, what is said of it
REFUSED = {
    "itself": (
        [get("a", "a")],
        "dependency_cycle",
        {"/requests/0/depends_on": "Item 'a' can never start, because these wait for each other: a -> a."},
    ),
    "each other": (
        [get("a", "b"), get("b", "c"), get("c", "a"), get("d", "b"), get("e")],
        "dependency_cycle",
        {f"/requests/{place}/depends_on": "these wait for each other: a -> b -> c -> a." for place in range(4)},
    ),
    "a group through a member": (
        [get("a", "b", **G), get("b", "c"), get("c", **G)],
        "dependency_cycle",
        {"/requests/0/depends_on": "a -> b -> a", "/requests/1/depends_on": "a -> b -> a"},
    ),
    "two groups": (
        [get("a", "h", **G), get("b", **G), get("c", **H), get("d", "g", **H)],
        "dependency_cycle",
        {"/requests/0/depends_on": "a -> c -> a", "/requests/2/depends_on": "a -> c -> a"},
    ),
    "inside a group": (
        [get("a", "b", **G), get("b", "a", **G), get("c")],
        "dependency_cycle",
        {f"/requests/{place}/depends_on": "a -> b -> a" for place in range(2)},
    ),
    "the own group": (
        [get("a", **G), get("b", "g", **G)],
        "dependency_cycle",
        {"/requests/1/depends_on": "Item 'b' can never start, because these wait for each other: b -> b."},
    ),
    "nobody": (
        [get("a", "x", "b", "y"), get("b", "z")],
        "unknown_dependency",
        {"/requests/0/depends_on": "'x', 'y'", "/requests/1/depends_on": "'z'"},
    ),
    "no text": (
        [get("a", 1)],
        "malformed",
        {"/requests/0/depends_on/0": "Expected `str`, got `int`"},
    ),
}


@pytest.mark.parametrize(("batch", "code", "errors"), REFUSED.values(), ids=REFUSED)
def test_dependency_that_can_never_be_met_is_refused_where_it_stands(bookshop, finished, batch, code, errors):
    response = BatchClient().send_batch({"requests": batch})
    found = {error["pointer"]: error["detail"] for error in response.json()["errors"]}
    assert (response.status_code, response.json()["code"], found.keys()) == (400, code, errors.keys())
    assert all(detail in found[pointer] for pointer, detail in errors.items())
    assert finished == []


def test_cycle_inside_an_atomic_batch_is_refused(bookshop):
    response = BatchClient().send_batch({"requests": [get("a", "b"), get("b", "a")], "atomic": True})
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [f"/requests/{n}/depends_on" for n in (0, 1)]
