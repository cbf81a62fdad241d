"""What companies that keep stock for the shop call: with tokens, never from a browser."""

from django.shortcuts import get_object_or_404
from rest_framework.authentication import TokenAuthentication
from rest_framework.generics import ListAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from ..models import Book
from ..permissions import IsPartner, ReadOnly
from ..serializers import StockSerializer


class PartnerStock(ListAPIView):
    queryset = Book.objects.all()
    serializer_class = StockSerializer
    authentication_classes = [TokenAuthentication]
    permission_classes = [IsAuthenticated, ReadOnly | IsPartner]
    filterset_fields = ["isbn"]

    def post(self, request: Request) -> Response:
        """Set the stock of one book."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        book = get_object_or_404(Book, isbn=serializer.validated_data["isbn"])
        book.stock = serializer.validated_data["stock"]
        book.save(update_fields=["stock"])
        return Response(serializer.data)
