"""What a type checker finds in the tests of a site. mypy reads this file, and nobody runs it.

Each mistake is marked, and an unused mark is an error, so mypy fails if it no longer finds one of them.
"""

from __future__ import annotations

import httpx

from django_batch.client import AsyncBatchBuilder, BatchBuilder, batch
from django_batch.testing import AsyncBatchClient, BatchClient

client = BatchClient()
client.batch([{"path": "/api/me/"}, {"method": "POST", "url": "/api/books/", "body": {"price": 1}}], atomic=True)
client.batch([{"paht": "/api/me/"}])  # type: ignore[typeddict-unknown-key]
client.batch([{"path": 7}])  # type: ignore[typeddict-item]
client.batch([{"path": "/api/me/"}], atmoic=True)  # type: ignore[call-arg]
status: int = client.batch([{"path": "/api/me/"}])[0]["status"]
client.batch([{"path": "/api/me/"}])[0]["statsu"]  # type: ignore[typeddict-item]


async def send() -> None:
    await AsyncBatchClient().batch([{"path": "/api/me/"}])
    await AsyncBatchClient().batch([{"paht": "/api/me/"}])  # type: ignore[typeddict-unknown-key]
    async with batch(httpx.AsyncClient()) as built:
        found: AsyncBatchBuilder = built
        found.get("/api/me/", parms={})  # type: ignore[call-arg]


with batch(httpx.Client(), atomic=True) as built:
    found: BatchBuilder = built
    order = found.post("/api/orders/", json={})
    found.post("/api/lines/", json={"order": order.ref("/body/id")}, depends_on=[order])
    found.post("/api/lines/", depends_on=["order"])  # type: ignore[list-item]
