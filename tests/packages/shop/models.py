"""Orders and their lines, which packages that record changes are told to record."""

from django.apps import apps
from django.db import models


class Order(models.Model):
    customer = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.customer


class Line(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    product = models.CharField(max_length=50)
    quantity = models.PositiveIntegerField()


if apps.is_installed("simple_history"):
    from simple_history import register

    register(Order)
if apps.is_installed("auditlog"):
    from auditlog.registry import auditlog

    auditlog.register(Order)
if apps.is_installed("reversion"):
    import reversion

    reversion.register(Order)
if apps.is_installed("pghistory"):
    import pghistory

    pghistory.track(pghistory.InsertEvent(), pghistory.UpdateEvent(), pghistory.DeleteEvent())(Order)
