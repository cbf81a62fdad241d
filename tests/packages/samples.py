"""The requests that most packages are tried with."""

from typing import Any


def order(customer: str, **members: Any) -> dict[str, Any]:
    """One that makes an order."""
    return {"method": "POST", "path": "/api/orders/", "body": {"customer": customer}, **members}


def line(order: str, quantity: int = 1) -> dict[str, Any]:
    """One that makes a line of the order that the item `order` makes. A quantity below 0 is refused."""
    body = {"order": {"$ref": f"{order}#/body/id"}, "product": "Tea", "quantity": quantity}
    return {"method": "POST", "path": "/api/lines/", "depends_on": order, "body": body}


ORDERS = [order("Ada"), order("Ben"), order("Cleo")]
CHANGES = [
    order("Ada"),
    {"method": "PATCH", "path": "/api/orders/1/", "body": {"customer": "Bea"}, "depends_on": "0"},
    {"method": "DELETE", "path": "/api/orders/1/", "depends_on": "1"},
]
ASYNC_ORDERS = [{"method": "POST", "path": f"/async/orders/?customer={name}"} for name in ("Ada", "Ben", "Cleo")]
FAILING_GROUP = [order("Ada", id="order"), line("order", quantity=-1)]  # 201 and 400 alone
