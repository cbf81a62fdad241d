"""pyodata: OData V2 in multipart/mixed, with change sets."""

from __future__ import annotations

import pytest

from tests.clients import client

pyodata = client("pyodata")
exceptions = client("pyodata.exceptions")
requests = client("requests")

METADATA = b"""<?xml version="1.0"?>
<edmx:Edmx Version="1.0" xmlns:edmx="http://schemas.microsoft.com/ado/2007/06/edmx">
  <edmx:DataServices>
    <Schema Namespace="SHOP" xmlns="http://schemas.microsoft.com/ado/2008/09/edm">
      <EntityType Name="Item">
        <Key><PropertyRef Name="id"/></Key>
        <Property Name="id" Type="Edm.Int32" Nullable="false"/>
        <Property Name="name" Type="Edm.String"/>
      </EntityType>
      <EntityContainer Name="Shop">
        <EntitySet Name="Items" EntityType="SHOP.Item"/>
      </EntityContainer>
    </Schema>
  </edmx:DataServices>
</edmx:Edmx>"""


@pytest.fixture
def service(address):
    with requests.Session() as session:
        yield pyodata.Client(f"{address}/api/odata/v2/", session, metadata=METADATA)


def test_change_set_between_reads_is_answered_in_order(service):
    items = service.entity_sets.Items
    batch, changes = service.create_batch(), service.create_changeset()
    batch.add_request(items.get_entity(7))
    changes.add_request(items.create_entity().set(name="made"))
    changes.add_request(items.update_entity(6).set(name="changed ☃"))
    batch.add_request(changes)
    batch.add_request(items.get_entity(6))
    before, [made, _], after = batch.execute()
    assert (before.id, before.name) == (7, "fixture-7")
    assert made.name == "made"
    assert after.name == "changed ☃"


def test_failed_change_set_is_an_error_and_leaves_nothing(service, names):
    items = service.entity_sets.Items
    batch, changes = service.create_batch(), service.create_changeset()
    changes.add_request(items.create_entity().set(name="not kept"))
    changes.add_request(items.create_entity().set(name="BAD"))
    batch.add_request(changes)
    with pytest.raises(exceptions.HttpError) as failure:
        batch.execute()
    assert failure.value.response.status_code == 400
    assert "not kept" not in names()
