"""django-tenants: a batch runs in the schema of its host, on each thread and in each group."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db import connection
from django_tenants.utils import schema_context

from tests.packages.outcomes import TOKEN, sent
from tests.packages.samples import FAILING_GROUP, ORDERS, order
from tests.packages.shop.models import Line, Order
from tests.packages.tenants.models import Domain, Tenant
from tests.roads import answered_by

TENANTS = ["one", "two"]
REQUESTS = [*ORDERS, {"path": "/whoami/"}]


@pytest.fixture(autouse=True)
def tenants(transactional_db):
    """Two tenants, without orders. Their schemas are made once, which takes long."""
    for name in TENANTS:
        tenant = Tenant.objects.create(schema_name=name)
        Domain.objects.create(domain=f"{name}.example", tenant=tenant, is_primary=True)
        with schema_context(name):
            if Order._meta.db_table not in connection.introspection.table_names():
                with connection.schema_editor() as editor:
                    editor.create_model(Order)
                    editor.create_model(Line)
            for model in (Order, get_user_model(), Session):
                model.objects.all().delete()
            get_user_model().objects.create_user(f"user of {name}")
    yield
    connection.set_schema_to_public()


def client(site, road, tenant):
    site.take(road)
    found = road.client(HTTP_HOST=f"{tenant}.example")
    found.handler = answered_by(road.application)
    with schema_context(tenant):
        found.force_login(get_user_model().objects.get())
    found.cookies["csrftoken"] = TOKEN
    found.credentials(HTTP_X_CSRFTOKEN=TOKEN)
    return found


def orders():
    """The customers of each tenant's orders."""
    found = {}
    for name in TENANTS:
        with schema_context(name):
            found[name] = sorted(Order.objects.values_list("customer", flat=True))
    return found


def forget_orders():
    for name in TENANTS:
        with schema_context(name):
            Order.objects.all().delete()


@pytest.mark.parametrize("atomic", [False, True])
def test_batch_writes_where_its_requests_write_alone(site, road, atomic):
    sender = client(site, road, "one")
    alone = [sent(sender, each)[0] for each in REQUESTS], orders()
    forget_orders()
    answers = sender.batch(REQUESTS, **({"atomic": True} if atomic else {"parallel": True}))
    assert ([each["status"] for each in answers], orders()) == alone
    assert answers[-1]["body"] == {"user": "user of one"}
    assert alone[1] == {"one": ["Ada", "Ben", "Cleo"], "two": []}


def test_batches_of_two_tenants_do_not_mix(site, road):
    one, two = (client(site, road, name) for name in TENANTS)
    for place in range(3):
        one.batch([order(f"{place}a"), order(f"{place}b")], parallel=True)
        two.batch([order(f"{place}c"), order(f"{place}d")], atomic=True)
    assert orders() == {
        "one": ["0a", "0b", "1a", "1b", "2a", "2b"],
        "two": ["0c", "0d", "1c", "1d", "2c", "2d"],
    }


def test_group_that_fails_is_rolled_back_in_the_schema_of_its_host(site, road):
    sender = client(site, road, "two")
    answers = sender.batch([*FAILING_GROUP, order("after it")], atomic=True)
    assert [each["status"] for each in answers] == [424, 400, 424]
    sender.batch([order("later")])
    assert orders() == {"one": [], "two": ["later"]}


def test_item_for_the_host_of_another_tenant_is_refused(site, road):
    sender = client(site, road, "one")
    item = {**order("Ada"), "path": "http://two.example/api/orders/"}
    assert sender.send_batch({"requests": [item]}).status_code == 400
    headers = {**order("Ada"), "headers": {"Host": "two.example"}}
    assert sender.batch([headers])[0]["status"] == 400
    assert orders() == {"one": [], "two": []}


def test_session_of_one_tenant_is_none_of_another(site, road):
    sender = client(site, road, "one")
    requests = {"requests": [{"path": "/whoami/"}]}
    answer = sender.post("/batch/", requests, format="json", headers={"Host": "two.example"})
    assert answer.json()["responses"][0]["body"] == {"user": ""}
