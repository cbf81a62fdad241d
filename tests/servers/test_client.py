"""The Python client over real servers and connections."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.servers.conftest import SECONDS

httpx = pytest.importorskip("httpx")

from django_batch.client import AsyncBatchTransport, BatchTransport, batch  # noqa: E402

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")  # of which the servers have copies

ADA = {"Authorization": "Token ada-token"}
PAGE = [f"/api/books/{number}/" for number in range(1, 21)]


@pytest.fixture(params=["gunicorn with threads", "uvicorn"])
def server(request, start):
    return start(request.param)


def address(server) -> str:
    return f"http://127.0.0.1:{server.port}"


@pytest.mark.parametrize("stream", [False, True])
def test_page_is_read_in_one_batch_by_threads(server, stream):
    before = server.state()["batches"]
    transport = BatchTransport(f"{address(server)}/batch/", stream=stream, wait=1)
    with httpx.Client(transport=transport, base_url=address(server)) as client, ThreadPoolExecutor(20) as pool:
        books = [response.json()["id"] for response in pool.map(client.get, PAGE)]
    assert books == [*range(1, 21)]
    assert server.state()["batches"] == before + 1


@pytest.mark.parametrize("stream", [False, True])
def test_page_is_read_in_one_batch_by_tasks(server, stream):
    async def page():
        transport = AsyncBatchTransport(f"{address(server)}/batch/", stream=stream)
        async with httpx.AsyncClient(transport=transport, base_url=address(server)) as client:
            return await asyncio.gather(*(client.get(path) for path in PAGE))

    before = server.state()["batches"]
    assert [response.json()["id"] for response in asyncio.run(page())] == [*range(1, 21)]
    assert server.state()["batches"] == before + 1


def test_quick_answer_of_a_stream_waits_for_no_slow_one(server):
    """The gate is opened when the quick answer is there, and by nothing else."""

    async def page():
        transport = AsyncBatchTransport(f"{address(server)}/batch/", stream=True)
        async with httpx.AsyncClient(transport=transport, base_url=address(server), timeout=SECONDS) as client:
            slow = asyncio.ensure_future(client.get("/gate/"))
            assert len((await client.get("/line/3/")).content) == 3
            assert not slow.done()
            os.close(await asyncio.to_thread(server.reach_gate))
            return (await slow).status_code

    assert asyncio.run(page()) == 200


def test_order_is_stored_with_its_lines(server):
    with httpx.Client(base_url=address(server), headers=ADA) as client:
        with batch(client, atomic=True) as built:
            order = built.put("/api/orders/C-9/", json={})
            line = {"book": 1, "quantity": 1}
            built.post(f"/api/orders/{order.ref('/body/number')}/lines/", json=line)
        assert len(client.get("/api/orders/C-9/").json()["lines"]) == 1
        client.delete("/api/orders/C-9/")
