from django.db.models import QuerySet
from django_filters import rest_framework as filters

from .models import Book


class BookFilter(filters.FilterSet):
    min_price = filters.NumberFilter("price", lookup_expr="gte")
    max_price = filters.NumberFilter("price", lookup_expr="lte")
    in_stock = filters.BooleanFilter(method="filter_in_stock")

    class Meta:
        model = Book
        fields = ["author", "published"]

    def filter_in_stock(self, queryset: QuerySet[Book], name: str, value: bool) -> QuerySet[Book]:
        return queryset.filter(stock__gt=0) if value else queryset.filter(stock=0)
