"""The benchmarks measure and report. What they find is no test: it depends on the machine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.__main__ import arguments, main
from benchmarks.browser import Run, Way, table
from benchmarks.budget import BUDGET, judged
from benchmarks.dialects import DIALECTS, WITHOUT_GROUPS, envelope, installed, items
from benchmarks.plot import plot
from benchmarks.report import report
from benchmarks.times import spread


def test_smallest_measurement_is_printed_and_written(tmp_path, capsys) -> None:
    found = tmp_path / "found.json"
    chosen = ["--quick", "--only=plain", "--subjects=floor,batch", "--measures=times", "--numbers=1"]

    main([*chosen, f"--json={found}", f"--docs={tmp_path}"])

    records = json.loads(found.read_text())
    assert {(record["subject"], record["measure"]) for record in records} == {
        ("floor", "minimum"),
        ("floor", "median"),
        ("batch", "minimum"),
        ("batch", "median"),
    }
    assert all(record["value"] > 0 for record in records)
    assert "| plain view | 1 |" in capsys.readouterr().out
    assert "| plain view | 1 |" in (tmp_path / "performance_tables.inc").read_text()


@pytest.mark.parametrize("groups", [False, True])
@pytest.mark.parametrize("name", ["native", "odata-json", "odata-multipart", "google"])
def test_batch_is_the_same_in_every_dialect(name: str, groups: bool) -> None:
    batch = items(40, groups=groups and name not in WITHOUT_GROUPS)
    dialect = dict(installed())[name]
    read = dialect.parse(envelope(name, DIALECTS[name][3](batch)))
    assert read.faults == ()
    assert [(each.method, each.path, bytes(each.body).decode()) for each in read.subrequests] == [
        (each.method, each.path, each.body) for each in batch
    ]
    sizes = Counter(each.atomicity_group for each in read.subrequests if each.atomicity_group)
    assert [*sizes.values()] == [*Counter(each.group for each in batch if each.group).values()]


@pytest.mark.parametrize(("factor", "judgement"), [(0.99, "ok"), (1.01, "over")])
def test_ratio_is_judged_by_its_bound(factor: float, judgement: str) -> None:
    bound = BUDGET[0]
    results = {bound.measured: bound.target * factor * 500, bound.against: 500.0}
    assert f"| {bound.title} | {bound.target:.3f} | {bound.target * factor:.3f} | {judgement} |" in report(
        results, "A machine."
    )


def test_ratio_of_which_half_is_missing_is_not_judged() -> None:
    assert list(judged({BUDGET[0].measured: 1.0})) == []


def test_runs_of_different_numbers_are_spread_over_the_whole_time() -> None:
    assert spread({1: 4, 100: 2}) == [1, 100, 1, 1, 100, 1]


@pytest.mark.parametrize(("given", "writes"), [([], True), (["--quick"], False), (["--only=drf"], False)])
def test_only_a_whole_measurement_changes_the_documentation(given: list[str], writes: bool) -> None:
    assert bool(arguments(given).docs) is writes


def test_unknown_view_is_refused_with_those_there_are(capsys) -> None:
    with pytest.raises(SystemExit):
        arguments(["--only=drv"])
    assert "drv: none of plain, paths, drf" in capsys.readouterr().err


def test_bar_that_is_too_long_is_cut_but_keeps_its_number() -> None:
    chart = plot({"A view": {"batch": 1.0, "alone": 9.0}})
    assert 'width="115.0"' in chart
    assert 'width="460.0"' in chart
    assert ">9.00<" in chart


def test_table_of_the_browser_has_the_minimum_and_the_median_of_each_way() -> None:
    runs = [Run(10.2, 20, 5), Run(11, 30, 6), Run(19, 22, 9)]
    row = table({Way("list", 0.02, "HTTP/2", "batch"): runs}).splitlines()[-1]
    assert row == "| list | 20 ms | batch, HTTP/2 | 10 (11) | 20 (22) | 5 (6) |"


ECHO = """
import asyncio, time
from benchmarks.delay import start

async def echo(reader, writer):
    while piece := await reader.read(100):
        writer.write(piece)
    writer.close()

async def main():
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    wire = await start(0, server.sockets[0].getsockname()[1], 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", wire.sockets[0].getsockname()[1])
    began = time.monotonic()
    for number in range(100):
        writer.write(b"%03d" % number)
    writer.write_eof()
    print((await reader.read(-1)).decode(), time.monotonic() - began >= 0.4)
    writer.close()

asyncio.run(main())
"""


def test_long_wire_passes_on_every_byte_in_order_and_late() -> None:
    done = subprocess.run([sys.executable, "-c", ECHO], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["".join(f"{number:03}" for number in range(100)), "True"]
