"""Orders: each is seen by its owner only, and can be moved to the archive."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework import status
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import action
from rest_framework.generics import GenericAPIView, ListAPIView
from rest_framework.mixins import (
    CreateModelMixin,
    DestroyModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
)
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import GenericViewSet

from ..models import ArchivedOrder, Order, OrderLine
from ..permissions import IsOwner
from ..serializers import (
    ArchivedOrderSerializer,
    BasketItemSerializer,
    OrderLineSerializer,
    OrderSerializer,
)


class OrderViewSet(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, GenericViewSet):
    queryset = Order.objects.prefetch_related("lines")
    serializer_class = OrderSerializer
    permission_classes = [IsAuthenticated, IsOwner]
    lookup_field = "number"
    lookup_value_regex = "[A-Z0-9-]{1,20}"

    def get_queryset(self) -> QuerySet[Order]:
        return super().get_queryset().filter(owner=self.request.user)

    def update(self, request: Request, number: str) -> Response:
        """Create the order of this number, or replace its note (RFC 9110 §9.3.4)."""
        order = Order.objects.filter(number=number).first()
        if order:
            self.check_object_permissions(request, order)
        serializer = self.get_serializer(order, data=request.data)
        serializer.is_valid(raise_exception=True)
        serializer.save(number=number, owner=request.user)
        created = status.HTTP_200_OK if order else status.HTTP_201_CREATED
        return Response(serializer.data, status=created)

    def perform_destroy(self, instance: Order) -> None:
        instance.cancel()

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, number: str) -> Response:
        archived = self.get_object().archive()
        serializer = ArchivedOrderSerializer(archived)
        return Response(serializer.data, status=status.HTTP_201_CREATED)


class OrderLineViewSet(
    CreateModelMixin,
    ListModelMixin,
    RetrieveModelMixin,
    DestroyModelMixin,
    GenericViewSet,
):
    """The lines of one order; adding one takes its books out of the stock."""

    serializer_class = OrderLineSerializer
    permission_classes = [IsAuthenticated]

    def get_order(self) -> Order:
        mine = Order.objects.filter(owner=self.request.user)
        return get_object_or_404(mine, number=self.kwargs["number"])

    def get_queryset(self) -> QuerySet[OrderLine]:
        return self.get_order().lines.select_related("book")

    def perform_create(self, serializer: BaseSerializer) -> None:
        serializer.save(order=self.get_order())

    def perform_destroy(self, instance: OrderLine) -> None:
        instance.cancel()


class ArchivedOrders(ListAPIView):
    serializer_class = ArchivedOrderSerializer
    permission_classes = [IsAuthenticated]

    def get_queryset(self) -> QuerySet[ArchivedOrder]:
        return ArchivedOrder.objects.filter(owner=self.request.user.get_username())


class Basket(GenericAPIView):
    """The books a reader looks at buying: kept in the session, so for sessions only."""

    serializer_class = BasketItemSerializer
    authentication_classes = [SessionAuthentication]
    permission_classes = [IsAuthenticated]

    def get(self, request: Request) -> Response:
        """Book id -> quantity."""
        return Response(request.session.get("basket", {}))

    def post(self, request: Request) -> Response:
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        book = str(serializer.validated_data["book"].pk)
        basket = dict(request.session.get("basket", {}))
        basket[book] = basket.get(book, 0) + serializer.validated_data["quantity"]
        request.session["basket"] = basket
        return Response(basket)

    def delete(self, request: Request) -> Response:
        request.session.pop("basket", None)
        return Response(status=status.HTTP_204_NO_CONTENT)
