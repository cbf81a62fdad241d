"""Uploads, downloads and an export that is written while it is sent."""

import csv
from collections.abc import Iterator
from pathlib import Path

from django.http import FileResponse, Http404, HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe
from rest_framework.generics import GenericAPIView
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import DjangoModelPermissionsOrAnonReadOnly
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Book
from ..parsers import PngParser
from ..serializers import CoverSerializer

TERMS = Path(__file__).resolve().parent.parent / "files" / "terms.txt"


class Cover(GenericAPIView):
    """The picture of a book, sent as a form's file or as the whole body."""

    queryset = Book.objects.all()
    serializer_class = CoverSerializer
    permission_classes = [DjangoModelPermissionsOrAnonReadOnly]
    parser_classes = [MultiPartParser, PngParser]

    def get(self, request: Request, pk: int) -> FileResponse:
        book = self.get_object()
        if not book.cover:
            raise Http404("This book has no cover.")
        return FileResponse(book.cover.open())

    def put(self, request: Request, pk: int) -> Response:
        serializer = self.get_serializer(self.get_object(), data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save()
        return Response(serializer.data)


class Echo:
    """The file that csv.writer wants: it keeps nothing and hands each row back."""

    def write(self, row: str) -> str:
        return row


def book_rows() -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(["isbn", "title", "author", "price", "stock"])
    columns = ("isbn", "title", "author__name", "price", "stock")
    for row in Book.objects.values_list(*columns).iterator():
        yield writer.writerow(row)


@require_safe
def export_books(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(book_rows(), content_type="text/csv; charset=utf-8")


@require_safe
def terms(request: HttpRequest) -> FileResponse:
    return FileResponse(TERMS.open("rb"), as_attachment=True)
