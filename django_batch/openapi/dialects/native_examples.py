"""Examples of the native format. The tests send each of them to the bookshop of the example project."""

from django_batch.openapi.contract import Exchange

_JSON, _LINES = "application/json", "application/jsonl"
_HEADERS = {"Content-Type": _JSON}
_PRICE = {"price": "18.50", "since": "2024-03-01"}
_NO_BOOK = {"detail": "No Book matches the given query."}
_READS = {"requests": [{"id": "price", "path": "/api/books/1/price/"}, {"id": "none", "path": "/api/books/999/"}]}

EXAMPLES = (
    Exchange(
        name="reads",
        summary="Two reads",
        request_type=_JSON,
        request=_READS,
        status=207,
        answer_type=_JSON,
        answer={
            "responses": [
                {"id": "price", "status": 200, "headers": _HEADERS, "body": _PRICE},
                {"id": "none", "status": 404, "headers": _HEADERS, "body": _NO_BOOK},
            ]
        },
    ),
    Exchange(
        name="short",
        summary="The short form",
        request_type=_JSON,
        request=[{"path": "/api/books/1/price/"}, {"path": "/api/books/999/"}],
        status=207,
        answer_type=_JSON,
        answer=[{"status": 200, "response": _PRICE}, {"status": 404, "response": _NO_BOOK}],
    ),
    Exchange(
        name="group",
        summary="All or nothing, with a reference",
        request_type=_JSON,
        request={
            "atomic": True,
            "requests": [
                {"id": "author", "method": "POST", "path": "/api/authors/", "body": {"name": "Ursula"}},
                {
                    "id": "books",
                    "path": "/api/authors/{author#/body/id}/books/",
                    "depends_on": "author",
                },
            ],
        },
        status=207,
        answer_type=_JSON,
        answer={
            "responses": [
                {
                    "id": "author",
                    "status": 201,
                    "headers": _HEADERS,
                    "body": {"id": 25, "url": "http://testserver/api/authors/25/", "name": "Ursula"},
                },
                {
                    "id": "books",
                    "status": 200,
                    "headers": _HEADERS,
                    "body": {"count": 0, "next": None, "previous": None, "results": []},
                },
            ]
        },
    ),
    Exchange(
        name="files",
        summary="A file",
        request_type="multipart/form-data",
        request={
            "batch": {"requests": [{"method": "PUT", "path": "/api/books/1/cover/", "files": {"cover": "picture"}}]},
            "picture": "\x89PNG\r\n\x1a\n",  # its bytes, as characters of Latin-1
        },
        status=207,
        answer_type=_JSON,
        answer={"responses": [{"id": "0", "status": 200, "headers": _HEADERS, "body": {"id": 1, "size": 8}}]},
    ),
    Exchange(
        name="lines",
        summary="Answers in lines, as soon as they are final",
        request_type=_JSON,
        request=_READS,
        headers={"Accept": _LINES},
        status=207,
        answer_type=_LINES,
        answer='{"id":"price","status":200,"headers":{},"body":{"price":"18.50","since":"2024-03-01"}}\n'
        '{"id":"none","status":404,"headers":{},"body":{"detail":"No Book matches the given query."}}\n'
        '{"done":true,"responses":2,"failed":1}\n',
    ),
)
