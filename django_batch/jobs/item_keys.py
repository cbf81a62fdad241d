"""Idempotency keys of single items, which offline apps send again in other mixes.

A key belongs to the first item that was stored with it. An item with the same key is answered as that one was, in
whatever job it comes. If that one has no final answer and its job is over, the key goes over to the new item.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from django.db import IntegrityError, transaction
from django.db.models import F

from django_batch.core.batch import Subrequest
from django_batch.errors import CannotBeKept, InProgress, KeyReused, Malformed
from django_batch.jobs.conf import database
from django_batch.jobs.keys import fingerprint_of_item, read_key, scoped
from django_batch.jobs.models import FINAL, Answer, Chunk, ItemKey, Job, Outcome
from django_batch.jobs.presenting import RETRY_AFTER

_TWICE = "Another item has the same 'idempotency_key'. Give each its own."
_IN_GROUP = "An item of a group cannot have a key, because the group is done as a whole. Give the batch one."
_BUSY = "The item with this key is being run, in this batch or another. Ask again later."


def claim_keys(job: Job, subrequests: Iterable[tuple[int, Subrequest]]) -> dict[int, Answer]:
    """Store the keys of the items of `job` at these positions, in the transaction of the caller.

    The result are the answers, by position, of those whose key is done. Raises `KeyReused`, `InProgress`, `Malformed`
    and `CannotBeKept`.
    """
    keyed = _keyed(job, subrequests)
    known = {each.key: each for each in _known(keyed)}
    replayed: dict[int, Answer] = {}
    new: list[ItemKey] = []
    for key, (position, subrequest) in keyed.items():
        row, fingerprint = known.get(key), fingerprint_of_item(subrequest)
        if row is not None and row.fingerprint != fingerprint:
            detail = "This key was sent with another item. Use a new key for each."
            raise KeyReused(detail, pointer=f"{subrequest.pointer}/idempotency_key")
        if row is not None:
            if answer := row.job.answer_set.filter(FINAL, position=row.position, started=False).first():
                replayed[position] = answer
                continue
            if not row.job.is_over:
                raise _busy(subrequest)
            row.delete()
        new.append(ItemKey(key=key, fingerprint=fingerprint, job=job, position=position))
    try:
        with transaction.atomic(using=database()):
            ItemKey.objects.using(database()).bulk_create(new)
    except IntegrityError:  # somebody else has stored one in this moment
        raise InProgress(_BUSY, headers={"Retry-After": RETRY_AFTER}) from None
    return replayed


def replay_into(job: Job, replayed: Mapping[int, Answer], number_of: Callable[[int], int]) -> None:
    """Store the answers `replayed` for the items of `job`, whose chunks are those that `number_of` names."""
    counts: Counter[tuple[int, str]] = Counter()
    for position, answer in replayed.items():
        number = number_of(position)
        answer.pk, answer.job, answer.position, answer.chunk = None, job, position, number
        counts[number, Outcome(answer.outcome).name.lower()] += 1
    Answer.objects.using(database()).bulk_create(replayed.values())
    for (number, name), count in counts.items():
        Chunk.objects.using(database()).filter(job=job, number=number).update(**{name: F(name) + count})


def _keyed(job: Job, subrequests: Iterable[tuple[int, Subrequest]]) -> dict[str, tuple[int, Subrequest]]:
    found: dict[str, tuple[int, Subrequest]] = {}
    for position, each in subrequests:
        if each.idempotency_key is None:
            continue
        pointer = f"{each.pointer}/idempotency_key"
        if each.atomicity_group is not None or job.options.get("atomic"):
            raise CannotBeKept(_IN_GROUP, pointer=pointer)
        key = scoped("item", job.user_key, job.path, read_key(each.idempotency_key, pointer=pointer))
        if key in found:
            raise Malformed(_TWICE, pointer=pointer)
        found[key] = position, each
    return found


def _known(keys: Iterable[str]) -> list[ItemKey]:
    """The rows of `keys`. Those of expired jobs are deleted, so that their keys are free."""
    rows = ItemKey.objects.using(database()).filter(key__in=[*keys]).select_related("job")
    expired = [row.pk for row in rows if row.job.has_expired]
    if expired:
        ItemKey.objects.using(database()).filter(pk__in=expired).delete()
    return [row for row in rows if row.pk not in expired]


def _busy(subrequest: Subrequest) -> InProgress:
    pointer = f"{subrequest.pointer}/idempotency_key"
    return InProgress(_BUSY, pointer=pointer, headers={"Retry-After": RETRY_AFTER})
