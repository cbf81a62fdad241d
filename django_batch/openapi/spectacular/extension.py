"""Makes drf-spectacular describe batch views: it finds this extension in its registry, as soon as it is imported."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
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
        """The view, with a schema for its `POST`. If a site has added other methods, they are described as ever."""
        view: type[APIView] = self.target
        post = view.post  # type: ignore[attr-defined]  # it is a `BatchView`
        given = getattr(post, "kwargs", {}).get("schema", view.schema)
        schema = below(given if isinstance(given, type) else type(given))
        return type(view.__name__, (view,), {"post": _with_schema(post, schema)})


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
