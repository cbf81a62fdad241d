"""An API that writes orders, and views that tell who asks or that fail."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from rest_framework import serializers, viewsets
from rest_framework.decorators import api_view
from rest_framework.response import Response

from tests.packages.shop.models import Line, Order


class OrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = Order
        fields = "__all__"


class LineSerializer(serializers.ModelSerializer):
    class Meta:
        model = Line
        fields = "__all__"


class OrderViewSet(viewsets.ModelViewSet):
    queryset = Order.objects.order_by("pk")
    serializer_class = OrderSerializer


class LineViewSet(viewsets.ModelViewSet):
    queryset = Line.objects.order_by("pk")
    serializer_class = LineSerializer


@api_view()
def whoami(request: Any) -> Response:
    return Response({"user": request.user.get_username()})


def boom(request: HttpRequest, name: str) -> JsonResponse:
    raise ValueError(name)


async def async_order(request: HttpRequest) -> JsonResponse:
    order = await Order.objects.acreate(customer=request.GET["customer"])
    return JsonResponse({"customer": order.customer}, status=201)


async def async_boom(request: HttpRequest, name: str) -> JsonResponse:
    raise ValueError(name)
