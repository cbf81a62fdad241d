"""From the options of a batch view to the run of a batch: the objects that take part, and the values they are given."""

from __future__ import annotations

from functools import partial

from django.http import HttpRequest

from django_batch import conf
from django_batch.core.answering import Answers
from django_batch.core.batch import Batch
from django_batch.core.plan import plan
from django_batch.core.references import Budget
from django_batch.core.schedule import Schedule
from django_batch.errors import DryRunNotAllowed
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.chain.access import Access
from django_batch.execution.chain.limits import Limits
from django_batch.execution.client.client import Client
from django_batch.execution.client.connection import is_gone
from django_batch.execution.client.responses import Bounds
from django_batch.execution.executors import Executor
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.requests.context import Contexts
from django_batch.execution.step_runner import StepRunner
from django_batch.options import BatchOptions, all_databases
from django_batch.sharing.lookups import Lookups
from django_batch.sharing.rows import shared_tables
from django_batch.signals import group_retried


class BatchRuns(BatchOptions):
    """The part of a batch view that makes the runs of batches."""

    # Whether unsafe sub-requests may run side by side too, out of their order.
    parallel_writes = False

    def get_batch_run(self, request: HttpRequest, batch: Batch, *, streamed: bool = False) -> BatchRun:
        """The run of `batch`, ready to begin. `request` carries the batch; answers that are `streamed` are sent as they
        come. Raises a `BatchError` for a batch that cannot be run."""
        if batch.dry_run and not self.dry_run:
            raise DryRunNotAllowed(
                "This site allows no dry runs. Send the batch without 'dry_run'.", pointer="/dry_run"
            )
        deadline = Deadline(self.timeout)
        schedule = Schedule(plan(batch, parallel_writes=self.parallel_writes), streamed=streamed, over=deadline.over)
        run = BatchRun(request, schedule, self.get_steps(request, schedule.answers, deadline), sender=type(self))
        run.open()
        return run

    def get_steps(self, request: HttpRequest, answers: Answers, deadline: Deadline) -> StepRunner:
        """What runs the steps of the batch that `request` carries. `answers` are those so far."""
        lookups = Lookups(shared_tables)
        return StepRunner(
            answers=answers,
            client=self.get_client(request, lookups, deadline),
            lookups=lookups,
            databases=all_databases() if self.atomic_databases is None else self.atomic_databases,
            retries=self.atomic_retries,
            retried=partial(group_retried.send_robust, type(self), request=request),
            budget=Budget(self.max_size),
            deadline=deadline,
        )

    def get_client(self, request: HttpRequest, lookups: Lookups, deadline: Deadline) -> Client:
        """The client that sends the sub-requests of the batch that `request` carries."""
        # Imported late: Django's request factory lies beside its test tools, which a server has no other use for.
        from django_batch.execution.requests.factory import SubrequestFactory, absolute_url

        return Client(
            request,
            SubrequestFactory(request, allowed_headers=self.allowed_headers, methods=self.methods),
            contexts=Contexts(self.carried_context, lookups if self.share else None),
            access=Access(exempt=self.exempt, group_exempt=self.group_exempt, group_allowed=self.group_allowed),
            limits=Limits(self.limits),
            around=conf.callables(self.around),
            bounds=Bounds(self.max_response_size, self.stream_timeout, deadline, partial(is_gone, request)),
            url=partial(absolute_url, request),
            sender=type(self),
        )

    @property
    def runs_side_by_side(self) -> bool:
        """Whether the steps of a batch that allows it are run side by side."""
        return self.max_workers > 1 and self.get_executor().side_by_side

    def get_executor(self) -> Executor:
        """The executor that decides when each step is run."""
        executor: Executor = conf.instances(self.executor)[0]
        return executor
