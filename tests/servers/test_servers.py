"""Streamed batches over real servers, and clients that go away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from contextlib import closing
from itertools import count

import pytest

from tests.markdown import ROOT, blocks
from tests.roads import NIGHTLY
from tests.servers.conftest import ASGI_SERVERS

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")  # of which the servers have copies

numbers = count()


def lines(response):
    """One by one, as they arrive."""
    assert response.status == 207
    while line := response.readline():
        yield json.loads(line)


def gets(*paths):
    return [{"id": path, "path": path} for path in paths]


def group(name, *paths):
    return [{"id": path, "path": path, "atomicity_group": name} for path in paths]


def test_lines_arrive_as_they_are_made(served):
    server, path = served
    with server.sent(gets("/line/1/", "/gate/", "/line/2/"), path) as response:
        arrived = lines(response)
        assert next(arrived)["id"] == "/line/1/"
        os.close(server.reach_gate())
        assert [line.get("id", "done") for line in arrived] == ["/gate/", "/line/2/", "done"]


@pytest.mark.parametrize("gate", ["/gate/", "/agate/"])
def test_lines_arrive_while_another_item_waits(served, gate):
    server, path = served
    with server.sent(gets(gate, "/line/1/", "/aline/2/"), path, parallel=True) as response:
        arrived = lines(response)
        assert {next(arrived)["id"] for _ in range(2)} == {"/line/1/", "/aline/2/"}
        os.close(server.reach_gate())
        assert [line.get("id", "done") for line in arrived] == [gate, "done"]


@pytest.mark.parametrize("parallel", [False, True], ids=["in turn", "side by side"])
def test_client_that_goes_away_in_a_group_leaves_the_database_whole_and_nothing_open(served, parallel):
    server, path = served
    before = server.state()
    mark = f"live{next(numbers)}"
    members = [f"/author/{mark}-a/", "/gate/", f"/author/{mark}-b/"]
    rest = [{"path": "/line/100000/", "depends_on": "g"} for _ in range(200)]
    rest.append({"path": f"/author/{mark}-never/", "depends_on": "g"})
    with server.sent([*gets("/line/1/"), *group("g", *members), *rest], path, parallel=parallel) as response:
        assert next(lines(response))["id"] == "/line/1/"
        gate = server.reach_gate()
    os.close(gate)
    state = server.after(before["batches"] + 1)
    written = [name for name in state["authors"] if name.startswith(mark)]
    assert written in ([], [f"{mark}-a", f"{mark}-b"])
    assert is_as_before(server, before)


def is_as_before(server, before):
    """Whether no thread, task or connection is left, once those of the requests before have ended.

    gunicorn starts its threads one by one, and keeps them.
    """
    kinds = ["connections", "tasks", *([] if server.keeps_threads else ["threads"])]
    for _ in range(200):
        state = server.state()
        if all(state[kind] <= before[kind] for kind in kinds):
            return True
    raise AssertionError(f"{before} became {state}")


@pytest.mark.parametrize("name", ["gunicorn with threads", *(ASGI_SERVERS if NIGHTLY else ["uvicorn"])])
def test_thousand_streamed_batches_leave_nothing(start, name):
    server = start(name)
    requests = gets("/line/10/", "/aline/10/", "/api/books/1/")
    states = []
    for _ in range(2):
        with closing(server.connect()) as connection:
            for number in range(500):
                path = "/async/batch/" if number % 2 and name in ASGI_SERVERS else "/batch/"
                response = server.send(connection, requests, path, parallel=number % 4 > 1)
                assert len(response.read().splitlines()) == 4
        states.append(server.state())
    assert is_as_before(server, states[0])
    assert states[1]["objects"] - states[0]["objects"] < 500
    assert states[1]["descriptors"] <= states[0]["descriptors"] + 2


def page_block(language):
    """The code of the page on streaming."""
    [block] = [each for each in blocks(ROOT / "docs/howto/stream_results.md") if each.language == language]
    return block.code


IDS = ["/line/1/", "/api/books/1/", "/line/2/"]


def test_function_of_the_page_reads_a_stream_in_python(start):
    httpx = pytest.importorskip("httpx")
    server, page = start("uvicorn"), {}
    exec(page_block("python"), page)
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert [answer["id"] for answer in page["answers"](client, "/batch/", gets(*IDS))] == IDS
        with pytest.raises(RuntimeError, match="no sub-requests"):
            next(page["answers"](client, "/batch/", []))


@pytest.mark.skipif(not shutil.which("node"), reason="Needs node, which runs the JavaScript of the page.")
def test_function_of_the_page_reads_a_stream_in_javascript(start):
    url = f"http://127.0.0.1:{start('uvicorn').port}/batch/"
    script = f"""{page_block("javascript")}
(async () => {{
  for await (const answer of answers({json.dumps(url)}, {json.dumps(gets(*IDS))})) console.log(answer.id);
  await answers({json.dumps(url)}, []).next().catch((error) => console.log(error.message.slice(0, 3)));
}})();"""
    done = subprocess.run(["node", "-e", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [*IDS, "400"]


BROWSER = shutil.which("chromium")
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=30000", "--dump-dom"),
]


@pytest.mark.skipif(not BROWSER, reason="Needs chromium, a browser.")
def test_function_of_the_page_reads_a_stream_in_a_browser_as_it_comes(start, tmp_path):
    """The page opens the gate when it has the first answer, without which there is no second.

    The browser's clock stands still until the picture is there, which is when the batch has ended.
    """
    server = start("uvicorn")
    script = f"""{page_block("javascript")}
(async () => {{
  for await (const answer of answers("/batch/", {json.dumps(gets("/line/1/", "/gate/", "/line/2/"))})) {{
    document.body.append(answer.id + " ");
    if (answer.id === "/line/1/") await fetch("/open-gate/");
  }}
  document.body.append("end");
}})();"""
    (server.folder / "page.html").write_text(f'<!doctype html><body><img src="/after/1/"><script>{script}</script>')
    command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path}", f"http://127.0.0.1:{server.port}/page/"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "/line/1/ /gate/ /line/2/ end" in done.stdout
