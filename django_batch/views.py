"""`BatchView`, and its hooks: the road of a batch, from bytes to `Batch` to `Plan` to subresponses to bytes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIRequest
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.functional import cached_property
from msgspec.structs import replace
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_batch import conf, keeping
from django_batch.carrier.awaited import AwaitedAnswer
from django_batch.carrier.envelopes import UnreadParser, parsers_of, read_envelope
from django_batch.carrier.streaming import AsyncStreamedAnswer, Pieces, Stream, StreamedAnswer, awritten, written
from django_batch.carrier.timing import ServerTiming
from django_batch.console import is_asked_for, is_drawing, is_on
from django_batch.core.batch import Batch, Subresponse
from django_batch.description import BatchMetadata, accepted_queries, describe
from django_batch.dialects.base import Dialect, Envelope, Writer, choose
from django_batch.dialects.native import NativeDialect
from django_batch.errors import BatchError, NestedBatch
from django_batch.execution.batch_run import BatchRun
from django_batch.execution.chain.item import current_item
from django_batch.execution.client.cookies import set_cookies
from django_batch.execution.executors.asynchronous import AsyncExecutor
from django_batch.execution.executors.loops import on_thread
from django_batch.options import check_options
from django_batch.requests import is_subrequest
from django_batch.runs import BatchRuns
from django_batch.throttling import wait_for_batch


class _ParserClasses:
    """What a view reads, as `OPTIONS` and schemas show it: one parser for each media type of its dialects."""

    def __get__(self, view: Any, owner: Any) -> tuple[type[BaseParser], ...]:
        dialects = conf.instances((view or owner).dialect)
        return parsers_of(tuple(media_type for each in dialects for media_type in each.media_types))


class BatchView(BatchRuns, APIView):
    """Takes many requests in one, and answers each of them as the site would if it were sent alone.

    It is a view of REST framework: its authentication, permissions and throttles decide about the batch as a whole, and
    those of the other views about each sub-request. `POST` carries a batch, and `QUERY` one that only reads. `GET` and
    `OPTIONS` tell what a batch can do here. Every setting of `BATCH` is an attribute in lower case. A subclass
    overrides the value of the site, and an argument of `as_view()` overrides both. The methods that return something
    are made to be overridden; to refuse a batch, raise a `BatchError` in any of them.
    """

    description = "Takes many requests in one, and answers each as if it were sent alone."  # for clients
    renderer_classes = (JSONRenderer,)
    parser_classes = _ParserClasses()
    metadata_class = BatchMetadata
    http_method_names = (*APIView.http_method_names, "query")
    # A site may ask all its views for a version and a model. A batch has none, because these belong to its items.
    versioning_class = None
    _ignore_model_permissions = True

    # Whether a batch with an Idempotency-Key is kept. None: as JOBS["KEEP"] says, if django_batch.jobs is installed.
    keep: bool | None = None

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Callable[..., HttpResponseBase]:  # type: ignore[override]
        """The view function. A setting given here, in lower case, is checked as one in `BATCH` is."""
        check_options(cls, initkwargs)
        if initkwargs.get("keep"):
            _keeper()
        view = super().as_view(**initkwargs)
        for alias in connections:  # the batch is in no transaction, so that each sub-request has its own, as alone
            view = transaction.non_atomic_requests(using=alias)(view)
        return view

    @property
    def allowed_methods(self) -> list[str]:
        """The methods that the `Allow` header tells. Tools for schemas ask without a request, and know no `QUERY`."""
        methods: list[str] = super().allowed_methods
        return methods if hasattr(self, "request") else [each for each in methods if each != "QUERY"]

    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """What this URL can do (`Description`), so that a client can split its requests. A browser gets the console."""
        console = self._console_dialect
        if console and is_asked_for(request._request):
            from django_batch.console.page import page  # imported late, because hardly anybody asks for it

            return page(request._request, self, user=request.user, besides=BatchView)
        response = Response(describe(self), headers=accepted_queries(self))
        if console:
            patch_vary_headers(response, ["Accept"])
        return response

    def options(self, request: Any, *args: Any, **kwargs: Any) -> Response:
        """REST framework's metadata, and what `get` tells."""
        response = super().options(request, *args, **kwargs)
        for name, value in accepted_queries(self).items():
            response.headers[name] = value
        return response

    def post(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a batch. Every refusal of it is raised as a `BatchError`."""
        if is_drawing(request._request) and (native := self._console_dialect):
            from django_batch.console.drawing import drawn

            return drawn(request, self, native)
        self._timing = ServerTiming()
        dialect = self._dialect
        envelope = self.get_envelope(request)
        batch = dialect.parse(envelope)
        if request.method == "QUERY":
            batch = replace(batch, read_only=True)
        if kept := keeping.answer(self, request, batch, dialect=dialect, envelope=envelope):
            return kept
        writer = dialect.writer(batch)
        run = self.get_batch_run(request._request, batch, streamed=writer.streamed)
        self.check_batch_throttles(request, len(batch.subrequests))
        self._timing.lap("read")
        return self.stream(writer, run) if writer.streamed else self.answer(writer, run)

    def query(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a batch that only reads, as `QUERY` does (RFC 10008)."""
        return self.post(request, *args, **kwargs)

    def answer(self, writer: Writer, run: BatchRun) -> HttpResponseBase:
        """The answer, when all of it is there."""
        response = HttpResponse(status=writer.status, content_type=writer.content_type, headers=writer.headers)
        subresponses = run.answers(self.get_executor(), max_workers=self.max_workers)
        self._fill(response, writer, subresponses)
        return response

    def _fill(self, response: HttpResponse, writer: Writer, subresponses: Sequence[Subresponse]) -> None:
        self._timing.lap("run")
        response.content = writer.whole(subresponses)
        set_cookies(response, subresponses)
        if self.count_headers:
            response.headers["X-Batch-Items"] = str(len(subresponses))
            response.headers["X-Batch-Failed"] = str(sum(each.failed for each in subresponses))
        self._timing.lap("write")
        self._tell_times(response)

    def _tell_times(self, response: HttpResponseBase) -> None:
        if settings.DEBUG if self.server_timing is None else self.server_timing:
            response.headers["Server-Timing"] = str(self._timing)

    def stream(self, writer: Writer, run: BatchRun) -> HttpResponseBase:
        """The answer, of which each part is sent when it is there. No cookie can follow the headers."""
        finished = run.finished(self.get_executor(), max_workers=self.max_workers)
        stream = Stream(written(finished, Pieces(writer, run.batch)))
        if self.is_asgi:
            response: StreamedAnswer = AsyncStreamedAnswer(writer, on_thread(stream, at_once=True))
        else:
            response = StreamedAnswer(writer, stream)
        self._tell_times(response)
        return response

    @property
    def is_asgi(self) -> bool:
        """Whether the server has a loop. A stream of the other kind would be sent all at once."""
        return isinstance(self.request._request, ASGIRequest)

    def check_batch_throttles(self, request: Request, number: int) -> None:
        """Raise REST framework's `Throttled` if a `BatchRateThrottle` of this view does not let `number` items in."""
        if wait := wait_for_batch(self.get_throttles(), request, self, number):
            self.throttled(request, wait)

    def get_dialects(self) -> Sequence[Dialect]:
        """The wire formats of this URL, of which no two read the same Content-Type."""
        return conf.instances(self.dialect)

    def get_dialect(self) -> Dialect:
        """The wire format of this request: of several, the one that reads its Content-Type."""
        return choose(self.get_dialects(), self.request._request.META.get("CONTENT_TYPE", ""))

    @cached_property
    def _dialect(self) -> Dialect:
        return self.get_dialect()

    @property
    def _console_dialect(self) -> NativeDialect | None:
        """The dialect in which the console speaks, or None if it is off, or this URL reads no such batches."""
        dialects = conf.instances(self.dialect) if is_on(self.console) else []
        return next((each for each in dialects if isinstance(each, NativeDialect)), None)

    def record_sender(self, request: Request) -> dict[str, Any]:
        """What a job records of its sender, as JSON and without any secret, so that `restore_sender` finds it again."""
        return _keeper().record_sender(self, request)

    def restore_sender(self, user_key: str, record: dict[str, Any]) -> Any:
        """The sender of a job as it is now, or None if it may not act any more."""
        return _keeper().restore_sender(self, user_key, record)

    def get_envelope(self, request: Request) -> Envelope:
        """The content that the dialect reads. Raises `TooLarge` past `max_size`, if possible before reading it."""
        dialect, max_requests = self._dialect, self.max_requests
        if dialect.max_requests is not None:
            max_requests = min(max_requests, dialect.max_requests)
        return read_envelope(
            request,
            media_types=dialect.media_types,
            max_size=self.max_size,
            max_requests=max_requests,
            decompress=self.decompress,
        )

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """REST framework's request, which leaves a type that no dialect reads to the refusal of the dialect."""
        initialized: Request = super().initialize_request(request, *args, **kwargs)
        initialized.parsers = [*(initialized.parsers or ()), UnreadParser()]
        return initialized

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse a batch inside a batch, whatever path led here, before anything else is looked at."""
        if is_subrequest(request._request) or current_item.get() is not None:
            raise NestedBatch("A batch cannot carry a batch. Send its sub-requests in this one.")
        super().initial(request, *args, **kwargs)

    def perform_content_negotiation(self, request: Request, force: bool = False) -> tuple[BaseRenderer, str]:
        """The first form: what a client accepts are the answers inside."""
        first, *others = self.get_renderers()
        # With a single renderer there is nothing to negotiate.
        return super().perform_content_negotiation(request, force=True) if others else (first, first.media_type)

    def handle_exception(self, exc: Exception) -> HttpResponseBase:  # type: ignore[override]  # any response will do
        """The refusal of a whole batch, in the form of its dialect; DRF's own exceptions stay as they are."""
        if not isinstance(exc, BatchError):
            return super().handle_exception(exc)
        dialect = self._dialect
        response = HttpResponse(
            dialect.write_error(exc),
            status=exc.status,
            content_type=dialect.error_content_type,
            headers=exc.headers,
        )
        response.refusal = exc  # type: ignore[attr-defined]  # for the batch that this one is in, if it is
        return response


class AsyncBatchView(BatchView):
    """`BatchView` on the loop of an ASGI server, where async views wait together. Under WSGI it is a `BatchView`."""

    view_is_async = True

    @property
    def runs_side_by_side(self) -> bool:
        """Whether the steps of a batch that allows it are run side by side, as by the loop of an ASGI server."""
        return self.max_workers > 1 if self.is_asgi else super().runs_side_by_side

    async def dispatch(  # type: ignore[override]  # as Django's views do where they are async
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        """All that may refuse the batch is done on the thread of the request, as by `BatchView`; then it is run."""
        response = await sync_to_async(super().dispatch)(request, *args, **kwargs)
        if isinstance(response, AsyncStreamedAnswer):
            response.keep_context()
        elif isinstance(response, AwaitedAnswer):
            subresponses = await response.run.aanswers(AsyncExecutor(), max_workers=self.max_workers)
            self._fill(response, response.writer, subresponses)
        return response

    def answer(self, writer: Writer, run: BatchRun) -> HttpResponseBase:
        """The answer, whose content `dispatch` makes on the loop."""
        return AwaitedAnswer(writer, run) if self.is_asgi else super().answer(writer, run)

    def stream(self, writer: Writer, run: BatchRun) -> HttpResponseBase:
        """The answer, of which each part is sent when it is there."""
        if not self.is_asgi:
            return super().stream(writer, run)
        finished = run.afinished(AsyncExecutor(), max_workers=self.max_workers)
        response = AsyncStreamedAnswer(writer, awritten(finished, Pieces(writer, run.batch)))
        self._tell_times(response)
        return response


def run_batch(request: HttpRequest | Request, batch: Batch, **options: Any) -> list[Subresponse]:
    """One answer for each sub-request of `batch`, from inside a view of your own. Raises `BatchError`.

    `options` are settings in lower case, as for `as_view()`. Put what the subresponses set on your own response with
    `set_cookies(response, subresponses)`.
    """
    check_options(BatchView, options)
    view = BatchView(**options)
    run = view.get_batch_run(getattr(request, "_request", request), batch)
    return run.answers(view.get_executor(), max_workers=view.max_workers)


def _keeper() -> keeping.Keeper:
    if keeping.keeper is None:
        raise ImproperlyConfigured("Batches are kept by django_batch.jobs. Add it to INSTALLED_APPS.")
    return keeping.keeper
