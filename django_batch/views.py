"""`BatchView`, and its hooks: the road of a batch, from bytes to `Batch` to `Plan` to subresponses to bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from time import perf_counter
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from django_batch import conf
from django_batch.core.messages import Batch, Subresponse
from django_batch.core.plan import plan
from django_batch.core.run import Run
from django_batch.dialects.base import Dialect, Envelope, choose
from django_batch.envelopes import PARSERS, read_envelope
from django_batch.errors import BatchError, NestedBatch
from django_batch.execution.base import Executor
from django_batch.execution.conversation import Conversation
from django_batch.execution.cookies import set_cookies
from django_batch.execution.steps import Steps, dry_run
from django_batch.signals import batch_finished, batch_started, group_retried, subrequest_finished


class BatchView(APIView):
    """Answers many requests in one."""

    renderer_classes = (JSONRenderer,)
    parser_classes = PARSERS

    max_requests = conf.MAX_REQUESTS
    max_size = conf.MAX_SIZE
    max_response_size = conf.MAX_RESPONSE_SIZE
    methods = conf.METHODS
    allowed_headers = conf.ALLOWED_HEADERS
    atomic_databases = conf.ATOMIC_DATABASES
    atomic_retries = conf.ATOMIC_RETRIES
    executor = conf.EXECUTOR
    max_workers = conf.MAX_WORKERS
    dialect = conf.DIALECT
    # Whether unsafe sub-requests may run side by side too, out of their order.
    parallel_writes = False

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:  # type: ignore[override]
        """The view function. A setting given here, in lower case, is checked as one in `BATCH` is."""
        _check_options(cls, initkwargs)
        view = super().as_view(**initkwargs)
        for alias in connections:  # the batch is in no transaction, so that each sub-request has its own, as alone
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer a batch. Every refusal of it is raised as a `BatchError`."""
        dialect = self.get_dialect()
        batch = dialect.parse(self.get_envelope(request))
        subresponses = self.run(request._request, batch)
        writer = dialect.writer(batch)
        content = writer.whole(subresponses)
        response = HttpResponse(content, status=writer.status, content_type=writer.content_type, headers=writer.headers)
        set_cookies(response, subresponses)
        return response

    def run(self, request: HttpRequest, batch: Batch) -> list[Subresponse]:
        """One answer for each sub-request of `batch`, in its order. `request` is the one that carries it."""
        books = Run(plan(batch, parallel_writes=self.parallel_writes))
        conversation = Conversation(
            request,
            allowed_headers=self.allowed_headers,
            methods=self.methods,
            max_response_size=self.max_response_size,
            lenient=batch.lenient,
        )
        steps = Steps(
            answers=books.answers,
            conversation=conversation,
            databases=connections if self.atomic_databases is None else self.atomic_databases,
            retries=self.atomic_retries,
            retried=partial(group_retried.send_robust, type(self), request=request),
            max_size=self.max_size,
        )
        batch_started.send_robust(type(self), request=request, batch=batch)
        start = perf_counter()
        with dry_run(steps) if batch.dry_run else nullcontext(steps.perform) as perform:
            for finished in self.get_executor().execute(books, perform, max_workers=self.max_workers):
                if subrequest_finished.receivers:
                    self.report(request, finished)
        conversation.end()
        answers = books.subresponses()
        duration = perf_counter() - start
        batch_finished.send_robust(type(self), request=request, batch=batch, subresponses=answers, duration=duration)
        return answers

    def report(self, request: HttpRequest, subresponses: Iterable[Subresponse]) -> None:
        """Tell the receivers of `subrequest_finished`."""
        for each in subresponses:
            subrequest_finished.send_robust(
                type(self), request=request, subrequest=each.subrequest, subresponse=each, duration=each.duration
            )

    def get_dialect(self) -> Dialect:
        """The wire format of this URL: of several, the one that reads the Content-Type of the request."""
        return choose(conf.instances(self.dialect), self.request.META.get("CONTENT_TYPE", ""))

    def get_executor(self) -> Executor:
        """What drives the run."""
        executor: Executor = conf.instances(self.executor)[0]
        return executor

    def get_envelope(self, request: Request) -> Envelope:
        """What the dialect reads. Raises `TooLarge` past `max_size`, if possible before anything is read."""
        dialect = self.get_dialect()
        limits = (self.max_requests, dialect.max_requests)
        return read_envelope(
            request,
            media_types=dialect.media_types,
            max_size=self.max_size,
            max_requests=min(limit for limit in limits if limit is not None),
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a batch inside a batch, whatever path led here, before anything else is looked at."""
        if hasattr(request._request, "subrequest"):
            raise NestedBatch("A batch cannot carry a batch. Send its sub-requests in this one.")
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """The one form there is: what a client accepts are the answers inside."""
        return super().perform_content_negotiation(request, force=True)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]  # any response will do
        """The refusal of a whole batch, in the form of its dialect; DRF's own exceptions stay as they are."""
        if not isinstance(exc, BatchError):
            return super().handle_exception(exc)
        dialect = self.get_dialect()
        return HttpResponse(dialect.write_error(exc), status=exc.status, content_type=dialect.error_content_type)


def run_batch(request: HttpRequest | Request, batch: Batch, **options: Any) -> list[Subresponse]:
    """One answer for each sub-request of `batch`, from inside a view of your own. Raises `BatchError`.

    `options` are settings in lower case, as for `as_view()`. Put what the subresponses set on your own response with
    `set_cookies(response, subresponses)`.
    """
    _check_options(BatchView, options)
    return BatchView(**options).run(getattr(request, "_request", request), batch)


def _check_options(view: type[BatchView], options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if not hasattr(view, name):
            raise TypeError(f"{view.__name__} has no option {name!r}.")
        setting = conf.SETTINGS.get(name.upper())
        if setting and not setting.accepts(value):
            raise ImproperlyConfigured(f"{view.__name__}.{name} is {value!r}, but must be {setting.expects}.")
