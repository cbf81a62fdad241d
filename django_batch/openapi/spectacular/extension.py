"""Makes drf-spectacular describe batch views: it finds this extension in its registry, as soon as it is imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework.views import APIView

from django_batch.openapi.spectacular.schema import BatchSchema


class BatchViewExtension(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """Describes `BatchView` and its subclasses, unless a site has an extension of its own for them."""

    target_class = "django_batch.views.BatchView"
    match_subclasses = True
    priority = -1

    def view_replacement(self) -> type[APIView]:
        """The view, with a schema for its `POST`. If a site has added other methods, they are described as ever.

        The `GET` of the package, which tells what a URL can do, is left out: browsers get a page from it.
        """
        return _described(self.target, type(self.target.schema))  # type: ignore[arg-type]  # classes are hashable


@cache
def _described(view: Any, schema: type) -> type[APIView]:
    """One class for all methods of a view, because drf-spectacular compares the classes of its operations."""
    from django_batch.views import BatchView

    given = getattr(view.post, "kwargs", {}).get("schema", schema)
    methods = {"post": _with_schema(view.post, below(given if isinstance(given, type) else type(given)))}
    if view.get is BatchView.get:
        methods["get"] = _with_schema(view.get, _HiddenSchema)
    return type(view.__name__, (view,), methods)


class _HiddenSchema(AutoSchema):
    def is_excluded(self) -> bool:
        return True


def below(schema: type) -> type[AutoSchema]:
    """A class of what `schema` says, and of what it does not say about batches."""
    if issubclass(schema, AutoSchema) and schema is not AutoSchema:
        return type(schema.__name__, (schema, BatchSchema), {})
    return BatchSchema


def _with_schema(method: Callable[..., Any], schema: type) -> Callable[..., Any]:
    """A method of its own for the replacement, because annotations are stored in the method."""

    @wraps(method)
    def answer(self: APIView, *args: Any, **kwargs: Any) -> Any:
        return method(self, *args, **kwargs)  # pragma: no cover  # a replacement is looked at, and answers nothing

    answer.kwargs = {"schema": schema}  # type: ignore[attr-defined]
    return answer
