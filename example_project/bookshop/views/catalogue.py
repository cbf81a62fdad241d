"""Authors, books and reviews: anyone reads, few write."""

from datetime import UTC, datetime, time

from django.db.models import Avg, F, Model, ProtectedError, QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.views.decorators.http import condition
from rest_framework import status
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView, ListAPIView, RetrieveUpdateAPIView
from rest_framework.permissions import (
    DjangoModelPermissionsOrAnonReadOnly,
    IsAuthenticatedOrReadOnly,
)
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.viewsets import ModelViewSet

from ..filters import BookFilter
from ..models import Author, Book, Review
from ..permissions import IsOwner, ReadOnly
from ..serializers import (
    AuthorSerializer,
    BookSerializer,
    PriceTagSerializer,
    ReviewSerializer,
)


class StillOrdered(APIException):
    status_code = status.HTTP_409_CONFLICT
    default_detail = "An order still has this book, or a book of this author."
    default_code = "still_ordered"


class CatalogueViewSet(ModelViewSet):
    """What the rows of the catalogue have in common: who may write and delete them."""

    permission_classes = [DjangoModelPermissionsOrAnonReadOnly]

    def perform_destroy(self, instance: Model) -> None:
        try:
            instance.delete()
        except ProtectedError as error:
            raise StillOrdered from error


class AuthorViewSet(CatalogueViewSet):
    queryset = Author.objects.all()
    serializer_class = AuthorSerializer
    search_fields = ["name"]
    ordering_fields = ["id", "name"]


class BookViewSet(CatalogueViewSet):
    queryset = Book.objects.all()
    serializer_class = BookSerializer
    filterset_class = BookFilter
    search_fields = ["title", "isbn", "author__name"]
    ordering_fields = ["id", "title", "published", "price", "stock"]


class AuthorBooks(ListAPIView):
    """The books of one author."""

    serializer_class = BookSerializer
    ordering_fields = BookViewSet.ordering_fields

    def get_queryset(self) -> QuerySet[Book]:
        return get_object_or_404(Author, pk=self.kwargs["pk"]).books.all()


class ReviewViewSet(ModelViewSet):
    queryset = Review.objects.select_related("owner")
    serializer_class = ReviewSerializer
    permission_classes = [IsAuthenticatedOrReadOnly, ReadOnly | IsOwner]
    filterset_fields = ["book", "rating"]
    ordering_fields = ["id", "rating"]


class Recommendations(GenericAPIView):
    """The five books with the best reviews, a few times a minute."""

    queryset = Book.objects.alias(rating=Avg("reviews__rating"))
    serializer_class = BookSerializer
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "recommendations"

    def get(self, request: Request) -> Response:
        best = self.get_queryset().order_by(F("rating").desc(nulls_last=True), "pk")[:5]
        return Response(self.get_serializer(best, many=True).data)


def price_etag(request: HttpRequest, pk: int) -> str | None:
    price = Book.objects.filter(pk=pk).values_list("price", flat=True).first()
    return None if price is None else f'"{price}"'


def price_last_modified(request: HttpRequest, pk: int) -> datetime | None:
    since = Book.objects.filter(pk=pk).values_list("price_since", flat=True).first()
    return since and datetime.combine(since, time(), UTC)


@method_decorator(condition(price_etag, price_last_modified), name="dispatch")
class PriceTag(RetrieveUpdateAPIView):
    """The price of a book, with an ETag, and the date it holds since as Last-Modified."""

    queryset = Book.objects.all()
    serializer_class = PriceTagSerializer
    permission_classes = [DjangoModelPermissionsOrAnonReadOnly]
    http_method_names = ["get", "head", "options", "put"]
