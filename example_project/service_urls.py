"""The bookshop under the URLs that clients of other batch protocols build by themselves.

What is under them asks nobody who they are: these clients would send tokens that the bookshop does not know.
"""

from typing import Any

from django.urls import URLPattern, include, path, re_path, register_converter

from django_batch.conf import DEFAULT_ALLOWED_HEADERS
from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.views import BatchView

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
    """What may stand between quotes. A quote in it is doubled."""

    regex = "(?:[^']|'')*"

    def to_python(self, value: str) -> str:
        return value.replace("''", "'")

    def to_url(self, value: str) -> str:
        return value.replace("'", "''")


register_converter(Key, "key")
register_converter(Quoted, "quoted")

ALL = {"get": "list", "post": "create"}
ONE = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}


def batches(route: str, dialect: Any, **options: Any) -> URLPattern:
    """A batch view, for anybody. `route` is a regular expression; a slash may follow, as some clients add one."""
    return re_path(rf"^{route}/?$", BatchView.as_view(dialect=dialect, authentication_classes=[], **options))


def service(view: type[ODataItems], dialect: Any, **options: Any) -> list[URLPattern]:
    """An OData service with one entity set, and its batches."""
    return [
        batches(r"\$batch", dialect, **options),
        path("Items", view.as_view(ALL)),
        path("Items(<key:pk>)", view.as_view(ONE)),
    ]


# A header of a site's own, which an item may set only where the site says so.
google = BatchView.as_view(
    dialect=GoogleMultipart, authentication_classes=[], allowed_headers=[*DEFAULT_ALLOWED_HEADERS, "X-Trace"]
)
# Azure Storage has a signature in each part, and there the new tier of a blob.
azure_blobs = BatchView.as_view(
    dialect=GoogleMultipart,
    authentication_classes=[],
    allowed_headers=[*DEFAULT_ALLOWED_HEADERS, "Authorization", "x-ms-access-tier"],
)
odata = [ODataJSON(lower_case_headers=True), ODataMultipart]
# A leading slash is that of the service, as in Microsoft Graph, but for the rest of the API.
graph = ODataJSON(service_root="/v1.0/", host_relative=("/api/",), max_requests=20, base64="standard")

urlpatterns = [
    re_path(r"^batch(?:/\w+/v\d+)?$", google),
    path("covers", azure_blobs),  # a container of Azure Blob Storage
    path("api/odata/v4/", include(service(ODataItems, odata))),
    path("api/data/v9.2/", include(service(ODataItems, odata))),  # where Dataverse has its service
    path("api/odata/v2/", include(service(ODataV2Items, ODataMultipart(status=202)))),
    path("api/odata/nested/", include(service(ODataItems, ODataMultipart(failed_change_set="nested")))),
    path("b1s/v2/", include(service(ODataItems, ODataMultipart))),  # SAP Business One
    path("fmi/odata/v4/shop/", include(service(ODataItems, ODataMultipart))),  # FileMaker
    path("sites/shop/_api/", include(service(ODataItems, ODataMultipart(flat=True)))),  # SharePoint
    batches(r"v1\.0/\$batch", graph),
    path("v1.0/users/<int:pk>", ContactViewSet.as_view(ONE)),
    batches(r"\$batch", [graph, ODataMultipart]),
    batches(r"v[0-9]+\.[0-9]+", FacebookBatch(versioned=True)),
    path("items", Entities.as_view()),
    path("items(PartitionKey='<quoted:partition_key>',RowKey='<quoted:row_key>')", EntityByKeys.as_view()),
]
