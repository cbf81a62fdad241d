"""OData's batches, as JSON and as `multipart/mixed`."""

from django_batch.dialects.odata.json import ODataJSON
from django_batch.dialects.odata.multipart import ODataMultipart

__all__ = ["ODataJSON", "ODataMultipart"]
