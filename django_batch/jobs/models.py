"""The rows of a job: itself, its chunks, the lines that it came in, and its answers.

`Job` is written when it is accepted, begun and over; while it runs, only chunk rows and answers are. So the progress of
a job is the sum over its chunks, and workers do not wait for each other at one row.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import F, Q, Sum
from django.utils import timezone


class Outcome(models.IntegerChoices):
    """What became of an item."""

    SUCCEEDED = 1
    FAILED = 2
    NOT_RUN = 3
    UNKNOWN = 4


@dataclass(frozen=True)
class Counts:
    """How many items of a job have each outcome."""

    succeeded: int = 0
    failed: int = 0
    not_run: int = 0
    unknown: int = 0


class Job(models.Model):
    """A batch that is kept.

    A batch in a dialect keeps its `body` and what of its request says how to read it (`envelope`); one that came as
    lines keeps each line as an `Item`. `key` and `fingerprint` are digests. `stopped` is the reason why nothing more is
    started. A job that is not in the `background` is run by the request that brings it.
    """

    class State(models.TextChoices):
        ACCEPTING = "accepting"
        QUEUED = "queued"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    user_key = models.CharField(max_length=255)
    path = models.TextField()
    urlconf = models.CharField(max_length=255, blank=True)
    sender = models.JSONField(default=dict)
    key = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  # only keys that are there are unique
    fingerprint = models.CharField(max_length=64, blank=True)
    background = models.BooleanField(default=True)
    state = models.CharField(max_length=10, choices=State, default=State.ACCEPTING)
    cancelled = models.BooleanField(default=False)
    stopped = models.CharField(max_length=255, blank=True)
    total = models.PositiveIntegerField(default=0)
    options = models.JSONField(default=dict)
    envelope = models.JSONField(default=dict)
    body = models.BinaryField(null=True)
    created = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    expires = models.DateTimeField()

    class Meta:
        ordering = ("-pk",)
        indexes = (
            models.Index(fields=["user_key", "-id"], name="django_batch_job_sender"),
            models.Index(fields=["state", "background"], name="django_batch_job_state"),
            models.Index(fields=["expires"], name="django_batch_job_expires"),
        )

    def __str__(self) -> str:
        return str(self.public_id)

    @property
    def is_over(self) -> bool:
        """Whether every item has its answer."""
        return self.state in (self.State.DONE, self.State.CANCELLED)

    @property
    def has_expired(self) -> bool:
        """Whether its answers are not shown any more."""
        return self.expires <= timezone.now()

    @property
    def shown_state(self) -> str:
        """The state that its sender sees."""
        return "expired" if self.has_expired else str(self.state)

    def counts(self) -> Counts:
        """The progress, by one query over its chunks."""
        sums: dict[str, Any] = self.chunk_set.aggregate(
            **{name: Sum(name, default=0) for name in ("succeeded", "failed", "not_run", "unknown")}
        )
        return Counts(**sums)


class Chunk(models.Model):
    """Consecutive steps of a job, which one worker runs one after another while it holds the `lease`.

    `steps` lists the positions of the members of each step. `needs` gives, for each name that a member depends on and
    that is not in this chunk, the positions of its items. `after` has the numbers of the chunks that come before this
    one, and `before` those that wait for it. `lease_expires` and `submitted` are by the clock of the database.
    """

    job = models.ForeignKey(Job, models.CASCADE)
    number = models.PositiveIntegerField()
    steps = models.JSONField()
    needs = models.JSONField(default=dict)
    after = models.JSONField(default=list)
    before = models.JSONField(default=list)
    done = models.BooleanField(default=False)
    lease = models.BigIntegerField(null=True)
    lease_expires = models.DateTimeField(null=True)
    submitted = models.DateTimeField(null=True)
    succeeded = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    not_run = models.PositiveIntegerField(default=0)
    unknown = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("number",)
        constraints = (models.UniqueConstraint(fields=["job", "number"], name="django_batch_chunk_number"),)
        indexes = (models.Index(fields=["job", "done", "number"], name="django_batch_chunk_done"),)

    def __str__(self) -> str:
        return f"{self.job_id}/{self.number}"


class Item(models.Model):
    """A line of a job that came as lines: one item of the native format, as its sender wrote it."""

    job = models.ForeignKey(Job, models.CASCADE, db_index=False)
    position = models.PositiveIntegerField()
    content = models.BinaryField()

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=["job", "position"], name="django_batch_item_position"),)

    def __str__(self) -> str:
        return f"{self.job_id}/{self.position}"


class Answer(models.Model):
    """The answer to one item. While it is `started`, it only says that a view which must not be repeated was begun.

    `error` is that of the package, which the dialect writes in its own form. `path` is the one that was sent, with its
    references filled in.
    """

    job = models.ForeignKey(Job, models.CASCADE, db_index=False)
    position = models.PositiveIntegerField()
    chunk = models.PositiveIntegerField()  # its number
    lease = models.BigIntegerField()
    outcome = models.PositiveSmallIntegerField(choices=Outcome)
    started = models.BooleanField(default=False)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    body = models.BinaryField(default=b"")
    error = models.JSONField(null=True)
    path = models.TextField(blank=True)
    reason = models.TextField(blank=True)
    duration = models.FloatField(default=0.0)

    class Meta:
        ordering = ("position",)
        constraints = (models.UniqueConstraint(fields=["job", "position"], name="django_batch_answer_position"),)
        indexes = (models.Index(fields=["job", "outcome", "position"], name="django_batch_answer_outcome"),)

    def __str__(self) -> str:
        return f"{self.job_id}/{self.position}: {self.status}"


class ItemKey(models.Model):
    """The idempotency key of one item, and where its answer is. `key` and `fingerprint` are digests."""

    key = models.CharField(max_length=64, unique=True)
    fingerprint = models.CharField(max_length=64)
    job = models.ForeignKey(Job, models.CASCADE)
    position = models.PositiveIntegerField()

    def __str__(self) -> str:
        return f"{self.job_id}/{self.position}"


FINAL = Q(status__lt=500) & ~Q(status__in=(424, 429)) | Q(outcome=Outcome.UNKNOWN)
ONE_MORE = {outcome: {outcome.name.lower(): F(outcome.name.lower()) + 1} for outcome in Outcome}
