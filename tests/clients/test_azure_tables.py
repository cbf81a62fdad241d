"""azure-data-tables: a transaction of entities, which is one change set."""

from __future__ import annotations

import pytest

from tests.clients import client

tables = client("azure.data.tables")
credentials = client("azure.core.credentials")
exceptions = client("azure.core.exceptions")


@pytest.fixture
def table(address):
    key = credentials.AzureNamedKeyCredential("shop", "a2V5")
    with tables.TableClient(address, "items", credential=key, retry_total=0) as table:
        yield table


def entity(row: str, **properties: object) -> dict[str, object]:
    return {"PartitionKey": "p", "RowKey": row, **properties}


def test_transaction_gives_each_entity_its_etag(table):
    answers = table.submit_transaction(
        [
            ("upsert", entity("one", name="x")),
            ("create", entity("two", name="Zwei ☃")),
            ("upsert", entity("three", price=1.5), {"mode": tables.UpdateMode.REPLACE}),
        ]
    )
    stored = [table.get_entity("p", row) for row in ("one", "two", "three")]
    assert [answer["etag"] for answer in answers] == [each.metadata["etag"] for each in stored]
    assert [stored[1]["name"], stored[2]["price"]] == ["Zwei ☃", 1.5]


def test_transaction_that_fails_raises_and_leaves_nothing(table):
    with pytest.raises(tables.TableTransactionError):
        table.submit_transaction([("upsert", entity("four", name="x")), ("create", entity("five", name="BAD"))])
    with pytest.raises(exceptions.HttpResponseError, match="No Entity"):
        table.get_entity("p", "four")
