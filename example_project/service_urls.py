"""The bookshop under the URLs that clients of other protocols build by themselves: none of them ends with a slash."""

from django.urls import URLPattern, include, path, register_converter

from .bookshop.views.items import ContactViewSet
from .bookshop.views.odata import ODataItems, ODataV2Items
from .bookshop.views.tables import Entities, EntityByKeys


class Key:
    """An id in OData's parentheses: `7`, `'7'` or `id=7`."""

    regex = "(?:id=)?(?:[0-9]+|'[0-9]+')"

    def to_python(self, value: str) -> int:
        return int(value.removeprefix("id=").strip("'"))

    def to_url(self, value: int) -> str:
        return str(value)


class Quoted:
    """What may stand between quotes."""

    regex = "[^']*"

    def to_python(self, value: str) -> str:
        return value

    to_url = to_python


register_converter(Key, "key")
register_converter(Quoted, "quoted")

ALL = {"get": "list", "post": "create"}
ONE = {"get": "retrieve", "put": "update", "patch": "partial_update", "merge": "partial_update", "delete": "destroy"}


def service(view: type[ODataItems]) -> list[URLPattern]:
    """An OData service with one entity set."""
    return [
        path("Items", view.as_view(ALL)),
        path("Items(<key:pk>)", view.as_view(ONE)),
    ]


urlpatterns = [
    path("api/odata/v4/", include(service(ODataItems))),
    path("api/odata/v2/", include(service(ODataV2Items))),
    path("users/<int:pk>", ContactViewSet.as_view(ONE)),
    path("items", Entities.as_view()),
    path("items(PartitionKey='<quoted:partition_key>',RowKey='<quoted:row_key>')", EntityByKeys.as_view()),
]
