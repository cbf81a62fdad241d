"""The items under OData's key syntax, as ordinary views: `Items`, `Items(7)`, `Items(id=7)`, `Items('7')`."""

from collections.abc import Mapping
from typing import Any

from rest_framework import status
from rest_framework.pagination import LimitOffsetPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from .items import ItemViewSet


class Pagination(LimitOffsetPagination):
    """The page that `$top` and `$skip` ask for."""

    default_limit = 100
    limit_query_param = "$top"
    offset_query_param = "$skip"

    def get_paginated_response(self, data: list[Any]) -> Response:
        return Response({"value": data})


class V2Pagination(Pagination):
    def get_paginated_response(self, data: list[Any]) -> Response:
        return Response({"results": data})


class V2Renderer(JSONRenderer):
    """JSON as OData V2 has it: what is not an error is the value of `d`."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        if data is not None and renderer_context and not renderer_context["response"].exception:
            data = {"d": data}
        return super().render(data, accepted_media_type, renderer_context)


class ODataItems(ItemViewSet):
    """As OData V4 shows them."""

    pagination_class = Pagination
    filter_backends = []

    def get_success_headers(self, data: dict[str, Any]) -> dict[str, str]:
        return {"Location": self.request.build_absolute_uri(f"{self.request.path}({data['id']})")}


class ODataV2Items(ODataItems):
    """As OData V2 shows them: what was changed is not sent back."""

    renderer_classes = [V2Renderer]
    pagination_class = V2Pagination

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().update(request, *args, **kwargs)
        return Response(status=status.HTTP_204_NO_CONTENT)
