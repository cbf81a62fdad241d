"""What the bank keeps."""

from __future__ import annotations

from django.db import models
from django.db.models import Q


class Account(models.Model):
    name = models.CharField(max_length=20, unique=True)
    balance = models.BigIntegerField()

    class Meta:
        app_label = "bank"
        constraints = [models.CheckConstraint(condition=Q(balance__gte=0), name="no_overdraft")]


class Entry(models.Model):
    """A line of the ledger: by its reference it can be found again."""

    reference = models.CharField(max_length=60, unique=True)
    account = models.ForeignKey(Account, models.PROTECT, null=True)
    amount = models.BigIntegerField(default=0)

    class Meta:
        app_label = "bank"
        ordering = ["pk"]
