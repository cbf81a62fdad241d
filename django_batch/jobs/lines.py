"""A job that comes as JSON lines: read as a stream, stored as it comes, and validated whole before anything runs.

Memory holds one portion of lines, and a digest of each id that a sender chose. The lines of a job of which some item
depends on another, or is in a group, are read a second time, without their bodies, for the plan that the core makes.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Container, Iterator
from hashlib import blake2b
from itertools import islice
from typing import Protocol

from django.db import Error, transaction
from django.http import UnreadablePostError
from django.urls import ResolverMatch
from msgspec.structs import replace
from rest_framework.request import Request

from django_batch.core.batch import Batch, Subrequest
from django_batch.core.media_types import charset_of, media_type_of
from django_batch.core.plan import plan
from django_batch.core.references import referred
from django_batch.dialects.base import Envelope
from django_batch.dialects.native.writers import LINES
from django_batch.errors import (
    BatchError,
    DuplicateId,
    Malformed,
    TooLarge,
    TooManyRequests,
    UnsupportedMediaType,
    refusal,
)
from django_batch.execution.chain.limits import Limits
from django_batch.execution.executors.deadline import Deadline
from django_batch.jobs.accepting import (
    begin,
    check_number_of_jobs,
    credential_in,
    new_job,
    storage_failed,
    store_chunks,
)
from django_batch.jobs.conf import database, jobs_settings
from django_batch.jobs.content import line_of
from django_batch.jobs.cutting import Cut, cut, cut_unrelated
from django_batch.jobs.item_keys import claim_keys, replay_into
from django_batch.jobs.models import Answer, Item, Job
from django_batch.jobs.resuming import delete
from django_batch.sharing.lookups import Lookups
from django_batch.views import BatchView

_READ = 64 * 2**10  # bytes that are read at once
_PORTION = 1_000  # lines that are stored at once
_PORTION_SIZE = 2**20  # bytes that are stored at once
_MAX_FAULTS = 1_000
_DIGEST = 16  # bytes


class _Readable(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


def accept_lines(view: BatchView, request: Request) -> Job:
    """The job that the lines of `request` are, stored and begun. Raises a `BatchError`, and then nothing is kept."""
    _check_type(request)
    check_number_of_jobs(request)
    parallel = request.query_params.get("parallel", "") in ("true", "1")
    job = new_job(view, request, envelope={"content_type": "application/json"}, options={"parallel": parallel})
    alias = database()
    try:
        job.save(using=alias, force_insert=True)
        lines = read_lines(_stream(request), declared=_declared(request), max_line=view.max_size)
        client = view.get_client(request._request, Lookups(frozenset), Deadline(None))
        intake = Intake(job, _envelope(request), Limits(view.limits), client.match)
        intake.take(lines)
        view.check_batch_throttles(request, job.total)
        with transaction.atomic(using=alias):
            numbers = _cut(job, _envelope(request), parallel=parallel, wanted=intake.replayed)
            replay_into(job, intake.replayed, numbers.__getitem__)
            job.state = Job.State.QUEUED
            job.save(using=alias, update_fields=["state", "total"])
            transaction.on_commit(lambda: begin(job), using=alias)
    except Error as error:
        _forget(job)
        raise storage_failed(error) from error
    except BaseException:
        _forget(job)
        raise
    return job


class Intake:
    """Takes the lines of `job`: each is read, and stored with others. Once one is wrong, the rest is only read."""

    def __init__(
        self, job: Job, envelope: Envelope, limits: Limits, find: Callable[[Subrequest], ResolverMatch | None]
    ) -> None:
        self._job = job
        self._envelope = envelope
        self._limits = limits
        self._find = find  # the view of an item
        self._ids: set[bytes] = set()
        self._faults: list[BatchError] = []
        self._referred: list[tuple[int, str]] = []  # position, and an id that may be that of an item
        self.replayed: dict[int, Answer] = {}  # by position, the answers to items whose own keys are done
        self._keyed: list[tuple[int, Subrequest]] = []
        self._portion: list[Item] = []
        self._size = 0

    def take(self, lines: Iterator[bytes]) -> None:
        """Take all lines. Raises one `BatchError` that reports up to a thousand mistakes."""
        total = 0
        for position, line in enumerate(lines):
            total = position + 1
            if total > jobs_settings.MAX_ITEMS:
                raise TooManyRequests(f"There are more than {jobs_settings.MAX_ITEMS} lines. Send several jobs.")
            self._take(position, line)
            if len(self._faults) >= _MAX_FAULTS:
                break
        self._job.total = total
        if not total:
            self._faults.append(Malformed("There are no lines. Send one item on each."))
        self._faults += islice(self._undeclared(total), _MAX_FAULTS - len(self._faults))
        if self._faults:
            raise refusal(self._faults)
        self._store()

    def _take(self, position: int, line: bytes) -> None:
        try:
            subrequest = line_of(self._envelope, _decoded(line, position), position)
            self._check(subrequest, position)
        except BatchError as fault:
            fault.__context__ = None
            self._faults.append(fault.with_traceback(None))
            return
        if subrequest.depends_on or subrequest.atomicity_group is not None:
            self._job.options["related"] = True
        if not self._faults:
            self._portion.append(Item(job=self._job, position=position, content=line))
            if subrequest.idempotency_key is not None:
                self._keyed.append((position, subrequest))
            self._size += len(line)
            if len(self._portion) >= _PORTION or self._size >= _PORTION_SIZE:
                self._store()

    def _check(self, subrequest: Subrequest, position: int) -> None:
        if fault := credential_in(subrequest):
            raise fault
        self._limits.check([subrequest], self._find)
        digest = blake2b(subrequest.id.encode(errors="surrogatepass"), digest_size=_DIGEST).digest()
        if digest in self._ids:
            detail = f"The id {subrequest.id[:50]!r} is also that of another item. Each must be unique."
            raise DuplicateId(detail, pointer=f"/{position}/id")
        self._ids.add(digest)
        if not subrequest.depends_on and b'"$ref"' in bytes(subrequest.body) and len(self._referred) < _MAX_FAULTS:
            self._referred += [(position, name) for name in islice(referred(subrequest.body), 1)]

    def _undeclared(self, total: int) -> Iterator[BatchError]:
        for position, name in self._referred:
            if blake2b(name.encode(errors="surrogatepass"), digest_size=_DIGEST).digest() in self._ids:
                detail = f"The body of item {position} refers to {name[:50]!r}. Name it in 'depends_on'."
                yield Malformed(detail, pointer=f"/{position}/body")

    def _store(self) -> None:
        Item.objects.using(database()).bulk_create(self._portion)
        self.replayed |= claim_keys(self._job, self._keyed)
        self._portion, self._keyed, self._size = [], [], 0


def read_lines(stream: _Readable, *, declared: int | None, max_line: int) -> Iterator[bytes]:
    """The lines of `stream` that are not blank, each without its end.

    Raises `TooLarge` for a line or a stream that is too long, and `Malformed` for one that breaks off before the
    `declared` number of bytes.
    """
    read, rest = 0, b""
    while content := _read(stream):
        read += len(content)
        if read > jobs_settings.MAX_SIZE:
            raise TooLarge(f"The lines have more than {jobs_settings.MAX_SIZE} bytes. Send several jobs.")
        rest += content
        if read < len(codecs.BOM_UTF8):
            continue
        if read - len(content) < len(codecs.BOM_UTF8):
            rest = rest.removeprefix(codecs.BOM_UTF8)
        *lines, rest = rest.split(b"\n")
        if len(rest) > max_line or any(len(line) > max_line for line in lines):
            raise TooLarge(f"A line has more than {max_line} bytes.")
        yield from filter(bytes.strip, lines)
    if declared is not None and read < declared:
        raise Malformed(f"The lines broke off after {read} of {declared} bytes. Nothing was kept. Send them again.")
    if rest.strip():
        yield rest


def _read(stream: _Readable) -> bytes:
    try:
        return stream.read(_READ)
    except UnreadablePostError as error:
        raise Malformed("The lines could not be read to their end. Nothing was kept. Send them again.") from error


def _decoded(line: bytes, position: int) -> bytes:
    try:
        line.isascii() or line.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"The line is not UTF-8: {error.reason}.", pointer=f"/{position}") from None
    return line


def _check_type(request: Request) -> None:
    sent = request._request.META.get("CONTENT_TYPE", "")
    if media_type_of(sent) not in LINES or charset_of(sent) not in (None, "utf-8", "utf8"):
        raise UnsupportedMediaType(f"Send the items as {LINES[0]} in UTF-8, not as {sent[:200]!r}.")


def _stream(request: Request) -> _Readable:
    return request._request


def _declared(request: Request) -> int | None:
    text = request._request.META.get("CONTENT_LENGTH") or ""
    return int(text) if text.isdecimal() else None


def _envelope(request: Request) -> Envelope:
    from django_batch.execution.requests.factory import absolute_url  # late: Django's test tools lie beside it

    return Envelope(b"", content_type="application/json", url=absolute_url(request._request), max_requests=1)


def _cut(job: Job, envelope: Envelope, *, parallel: bool, wanted: Container[int]) -> dict[int, int]:
    """Store the chunks of `job`, and tell in which of them the `wanted` positions are.

    Raises a `BatchError` for dependencies that do not exist, and cycles.
    """
    numbers: dict[int, int] = {}
    size = jobs_settings.CHUNK
    cuts: Iterator[Cut]
    if job.options.get("related"):
        rows = job.item_set.order_by("position").iterator(_PORTION)
        items = (_outline(line_of(envelope, bytes(row.content), row.position)) for row in rows)
        cuts = iter(cut(plan(Batch(tuple(items))), size, parallel=parallel))
    else:
        cuts = cut_unrelated(job.total, size, parallel=parallel)
    while portion := [*islice(cuts, _PORTION)]:
        store_chunks(job, portion)
        for each in portion:
            numbers.update((place, each.number) for step in each.steps for place in step if place in wanted)
    return numbers


def _outline(subrequest: Subrequest) -> Subrequest:
    """`subrequest` with what a plan needs, and no more."""
    return replace(subrequest, path="", headers=(), body=b"")


def _forget(job: Job) -> None:
    """Keep nothing of `job`. If the database is down, `prune_jobs` deletes the rest later."""
    try:
        delete(job)
    except Error:
        transaction.get_connection(database()).close()
