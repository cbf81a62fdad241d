"""The description of batches in a site's OpenAPI schema: what every dialect reads and writes, as values.

Only `spectacular` needs drf-spectacular. Everything else here is values, which any generator of schemas can use.
"""

from django_batch.openapi.contract import Content, Contract, Endpoint, Exchange, contract_of
from django_batch.openapi.dialects import facebook, google, native, odata

__all__ = ["Content", "Contract", "Endpoint", "Exchange", "contract_of"]

# Each of these modules tells `contract_of` about its dialects when it is imported.
_DESCRIBED = (facebook, google, native, odata)
