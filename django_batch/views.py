"""`BatchView`, and its hooks: the road of a batch, from bytes to `Batch` to `Plan` to subresponses to bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.functional import cached_property
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.views import APIView

from django_batch import conf
from django_batch.carrier.envelopes import PARSERS, read_envelope
from django_batch.carrier.streaming import AsyncStreamedAnswer, Pieces, Stream, StreamedAnswer, awritten, written
from django_batch.carrier.timing import ServerTiming
from django_batch.core.batch import Batch, Subresponse
from django_batch.core.plan import plan
from django_batch.core.schedule import Schedule
from django_batch.dialects.base import Dialect, Envelope, Writer, choose
from django_batch.errors import BatchError, NestedBatch
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.client.client import Client
from django_batch.execution.client.cookies import set_cookies
from django_batch.execution.executors import Executor
from django_batch.execution.executors.asynchronous import AsyncExecutor
from django_batch.execution.executors.deadline import Deadline
from django_batch.execution.executors.loops import on_thread
from django_batch.execution.step_runner import StepRunner
from django_batch.signals import group_retried


class BatchView(APIView):
    """Answers many requests in one."""

    renderer_classes = (JSONRenderer,)
    parser_classes = PARSERS
    # What a site asks of all its views by default, and a batch does not have: versions and models are in its items.
    versioning_class = None
    _ignore_model_permissions = True

    max_requests = conf.MAX_REQUESTS
    max_size = conf.MAX_SIZE
    max_response_size = conf.MAX_RESPONSE_SIZE
    timeout = conf.TIMEOUT
    methods = conf.METHODS
    allowed_headers = conf.ALLOWED_HEADERS
    atomic_databases = conf.ATOMIC_DATABASES
    atomic_retries = conf.ATOMIC_RETRIES
    executor = conf.EXECUTOR
    max_workers = conf.MAX_WORKERS
    server_timing = conf.SERVER_TIMING
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

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a batch. Every refusal of it is raised as a `BatchError`."""
        self._timing = ServerTiming()
        dialect = self._dialect
        batch = dialect.parse(self.get_envelope(request))
        writer = dialect.writer(batch)
        exchange = self.get_batch_run(request._request, batch, streamed=writer.streamed)
        self._timing.lap("read")
        return self.stream(writer, exchange) if writer.streamed else self.answer(writer, exchange)

    def answer(self, writer: Writer, exchange: BatchRun) -> HttpResponseBase:
        """The answer, when all of it is there."""
        response = HttpResponse(status=writer.status, content_type=writer.content_type, headers=writer.headers)
        subresponses = exchange.answers(self.get_executor(), max_workers=self.max_workers)
        self._fill(response, writer, subresponses)
        return response

    def _fill(self, response: HttpResponse, writer: Writer, subresponses: Sequence[Subresponse]) -> None:
        self._timing.lap("run")
        response.content = writer.whole(subresponses)
        set_cookies(response, subresponses)
        self._timing.lap("write")
        self._tell_times(response)

    def _tell_times(self, response: HttpResponseBase) -> None:
        if settings.DEBUG if self.server_timing is None else self.server_timing:
            response.headers["Server-Timing"] = str(self._timing)

    def stream(self, writer: Writer, exchange: BatchRun) -> HttpResponseBase:
        """The answer, of which each part is sent when it is there. No cookie can follow the headers."""
        finished = exchange.finished(self.get_executor(), max_workers=self.max_workers)
        stream = Stream(written(finished, Pieces(writer, exchange.batch)))
        if self.is_asgi:
            response: StreamedAnswer = AsyncStreamedAnswer(writer, on_thread(stream, at_once=True))
        else:
            response = StreamedAnswer(writer, stream)
        self._tell_times(response)
        return response

    @property
    def is_asgi(self) -> bool:
        """Whether the server has a loop. What is streamed by an iterator of the wrong kind comes all at once."""
        return isinstance(self.request._request, ASGIRequest)

    def get_batch_run(self, request: HttpRequest, batch: Batch, *, streamed: bool = False) -> BatchRun:
        """What is to be done for `batch`. `request` is the one that carries it, `streamed` whether its answers are sent
        as they come. Raises a `BatchError` for a batch that cannot be run as it is."""
        deadline = Deadline(self.timeout)
        run = Schedule(plan(batch, parallel_writes=self.parallel_writes), streamed=streamed, over=deadline.over)
        conversation = Client(
            request,
            allowed_headers=self.allowed_headers,
            methods=self.methods,
            max_response_size=self.max_response_size,
            lenient=batch.lenient,
        )
        steps = StepRunner(
            answers=run.answers,
            conversation=conversation,
            databases=_databases() if self.atomic_databases is None else self.atomic_databases,
            retries=self.atomic_retries,
            retried=partial(group_retried.send_robust, type(self), request=request),
            max_size=self.max_size,
            deadline=deadline,
        )
        return BatchRun(request, run, steps, sender=type(self))

    def get_dialect(self) -> Dialect:
        """The wire format of this URL: of several, the one that reads the Content-Type of the request."""
        return choose(conf.instances(self.dialect), self.request._request.META.get("CONTENT_TYPE", ""))

    @cached_property
    def _dialect(self) -> Dialect:
        return self.get_dialect()

    def get_executor(self) -> Executor:
        """What drives the run."""
        executor: Executor = conf.instances(self.executor)[0]
        return executor

    def get_envelope(self, request: Request) -> Envelope:
        """What the dialect reads. Raises `TooLarge` past `max_size`, if possible before anything is read."""
        dialect, max_requests = self._dialect, self.max_requests
        if dialect.max_requests is not None:
            max_requests = min(max_requests, dialect.max_requests)
        return read_envelope(
            request,
            media_types=dialect.media_types,
            max_size=self.max_size,
            max_requests=max_requests,
        )

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a batch inside a batch, whatever path led here, before anything else is looked at."""
        if "_batch_subrequest" in vars(request._request):
            raise NestedBatch("A batch cannot carry a batch. Send its sub-requests in this one.")
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """The first form: what a client accepts are the answers inside."""
        first, *others = self.get_renderers()
        # Between one there is nothing to choose, which takes REST framework 5 % of a batch of one.
        return super().perform_content_negotiation(request, force=True) if others else (first, first.media_type)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]  # any response will do
        """The refusal of a whole batch, in the form of its dialect; DRF's own exceptions stay as they are."""
        if not isinstance(exc, BatchError):
            return super().handle_exception(exc)
        dialect = self._dialect
        response = HttpResponse(dialect.write_error(exc), status=exc.status, content_type=dialect.error_content_type)
        response.refusal = exc  # type: ignore[attr-defined]  # for the batch that this one is in, if it is
        return response


class AsyncBatchView(BatchView):
    """`BatchView` on the loop of an ASGI server, where async views wait together. Under WSGI it is a `BatchView`."""

    view_is_async = True
    _awaited: tuple[HttpResponse, Writer, BatchRun] | None = None

    async def dispatch(  # type: ignore[override]  # as Django's views do where they are async
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """All that may refuse the batch is done on the thread of the request, as by `BatchView`; then it is run."""
        response = await sync_to_async(super().dispatch)(request, *args, **kwargs)
        if isinstance(response, AsyncStreamedAnswer):
            response.keep_context()
        elif self._awaited:
            whole, writer, exchange = self._awaited
            subresponses = await exchange.aanswers(AsyncExecutor(), max_workers=self.max_workers)
            self._fill(whole, writer, subresponses)
        return response

    def answer(self, writer: Writer, exchange: BatchRun) -> HttpResponseBase:
        """The answer, yet without its content."""
        if not self.is_asgi:
            return super().answer(writer, exchange)
        response = HttpResponse(status=writer.status, content_type=writer.content_type, headers=writer.headers)
        self._awaited = response, writer, exchange
        return response

    def stream(self, writer: Writer, exchange: BatchRun) -> HttpResponseBase:
        """The answer, of which each part is sent when it is there."""
        if not self.is_asgi:
            return super().stream(writer, exchange)
        finished = exchange.afinished(AsyncExecutor(), max_workers=self.max_workers)
        response = AsyncStreamedAnswer(writer, awritten(finished, Pieces(writer, exchange.batch)))
        self._tell_times(response)
        return response


def run_batch(request: HttpRequest | Request, batch: Batch, **options: Any) -> list[Subresponse]:
    """One answer for each sub-request of `batch`, from inside a view of your own. Raises `BatchError`.

    `options` are settings in lower case, as for `as_view()`. Put what the subresponses set on your own response with
    `set_cookies(response, subresponses)`.
    """
    _check_options(BatchView, options)
    view = BatchView(**options)
    exchange = view.get_batch_run(getattr(request, "_request", request), batch)
    return exchange.answers(view.get_executor(), max_workers=view.max_workers)


def _databases() -> list[str]:
    """The aliases of all databases. One that DATABASES leaves blank has no transactions."""
    return [alias for alias, options in connections.settings.items() if options["ENGINE"] != "django.db.backends.dummy"]


def _check_options(view: type[BatchView], options: Mapping[str, object]) -> None:
    for name, value in options.items():
        if not hasattr(view, name):
            raise TypeError(f"{view.__name__} has no option {name!r}.")
        setting = conf.SETTINGS.get(name.upper())
        if setting and not setting.accepts(value):
            raise ImproperlyConfigured(f"{view.__name__}.{name} is {value!r}, but must be {setting.expects}.")
