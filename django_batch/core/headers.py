"""Headers that may be dropped from a sub-request, because they change neither who asks nor what is asked.

Client libraries put them into every item, as they put them into every request. The list holds no more than the clients
need whose messages are in `tests/wire`. Any other header that a sub-request may not set refuses that sub-request,
because dropping a tenant, an impersonated user or a required version would silently turn it into a different request.
"""

from __future__ import annotations

NOISE = frozenset(
    [
        # The library of the sender, which is the same for every request of the batch.
        "user-agent",
        "x-clientservice-clienttag",
        "x-goog-api-client",
        # Ids by which a sender finds a request, or a chain of requests, in a log.
        "client-request-id",
        "return-client-request-id",
        "x-ms-client-request-id",
        "x-ms-correlation-id",
        "x-ms-return-client-request-id",
        "x-pnpjs-requestid",
        # The time when a request was signed or sent, and the protocol version of its sender.
        "date",
        "x-ms-date",
        "x-ms-version",
        "dataserviceversion",
        "maxdataserviceversion",
        "odata-maxversion",
        "odata-version",
        # The connection, the length and the encoding of a whole message. An item has no connection of its own.
        "accept-charset",
        "accept-encoding",
        "cache-control",
        "connection",
        "content-length",
        "content-transfer-encoding",
        "mime-version",
        # SAP's and SharePoint's tokens against request forgery. They grant no right, and the batch has its own check.
        "x-csrf-token",
        "x-requestdigest",
        # SAP's preferences: how a session id is returned, and which messages are reported.
        "sap-contextid-accept",
        "sap-message-scope",
    ]
)


def is_noise(lowered_name: str) -> bool:
    """Whether the header of this name, in lower case, may be dropped from a sub-request that may not set it."""
    return lowered_name in NOISE
