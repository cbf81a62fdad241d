"""OData's batches: the JSON format and the `multipart/mixed` format."""

from django_batch.dialects.odata.json import ODataJSON
from django_batch.dialects.odata.multipart import ODataMultipart

__all__ = ["ODataJSON", "ODataMultipart"]
