"""One step, done: its flow pushed to its end, inside a transaction if it is a group."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import uniform
from time import sleep

from django.db import connections

from django_batch.core.flow import Answers, drive, flow
from django_batch.core.messages import Subresponse
from django_batch.core.plan import Step
from django_batch.execution.conversation import Conversation
from django_batch.execution.transactions import Transaction

_FIRST_PAUSE = 0.05  # seconds at most before the first retry; twice as many before each further one


def perform(
    step: Step, answers: Answers, *, conversation: Conversation, databases: Collection[str] | None, retries: int
) -> Sequence[Subresponse]:
    """The subresponses of `step`. `databases` are the aliases that a group's transaction spans, None for all."""
    if not step.atomic:
        try:
            return drive(flow(step, answers), conversation.perform)
        finally:
            _mend_connections()
    for attempt in range(retries + 1):
        if attempt:
            sleep(uniform(0, _FIRST_PAUSE * 2**attempt))
        with Transaction(conversation, connections if databases is None else databases) as transaction:
            subresponses = drive(flow(step, answers), transaction.perform)
        if not transaction.retryable:
            break
    return subresponses


def _mend_connections() -> None:
    """Close connections that a view has left broken or out of autocommit, as the end of a request alone does."""
    for connection in connections.all(initialized_only=True):
        left_open = connection.connection is not None and not connection.in_atomic_block
        if left_open and (
            connection.errors_occurred or connection.get_autocommit() != connection.settings_dict["AUTOCOMMIT"]
        ):
            connection.close_if_unusable_or_obsolete()
