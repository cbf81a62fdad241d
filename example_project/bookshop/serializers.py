from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.files import File
from django.db import transaction
from rest_framework import serializers

from .models import ArchivedOrder, Author, Book, Contact, Item, Order, OrderLine, Review

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class AuthorSerializer(serializers.ModelSerializer):
    url = serializers.HyperlinkedIdentityField(view_name="author-detail")

    class Meta:
        model = Author
        fields = ["id", "url", "name"]


class BookSerializer(serializers.ModelSerializer):
    url = serializers.HyperlinkedIdentityField(view_name="book-detail")

    class Meta:
        model = Book
        fields = ["id", "url", "author", "title", "isbn", "published", "price", "stock"]


class PriceTagSerializer(serializers.ModelSerializer):
    since = serializers.DateField(source="price_since", allow_null=True)

    class Meta:
        model = Book
        fields = ["price", "since"]


class CoverSerializer(serializers.ModelSerializer):
    cover = serializers.FileField(write_only=True)
    size = serializers.IntegerField(source="cover.size", read_only=True)

    class Meta:
        model = Book
        fields = ["id", "cover", "size"]

    def validate_cover(self, cover: File) -> File:
        if cover.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
            raise serializers.ValidationError("A cover must be a PNG picture.")
        cover.seek(0)
        return cover


class ReviewSerializer(serializers.ModelSerializer):
    owner = serializers.HiddenField(default=serializers.CurrentUserDefault())
    reviewer = serializers.ReadOnlyField(source="owner.username")

    class Meta:
        model = Review
        fields = ["id", "book", "owner", "reviewer", "rating", "text"]


class OrderLineSerializer(serializers.ModelSerializer):
    class Meta:
        model = OrderLine
        fields = ["id", "book", "quantity", "price"]
        read_only_fields = ["price"]

    @transaction.atomic
    def create(self, validated_data: dict[str, Any]) -> OrderLine:
        book: Book = validated_data["book"]
        # Taken here and not in validate(): between the two, another order might come.
        if not book.take(validated_data["quantity"]):
            raise serializers.ValidationError({"quantity": ["Not so many in stock."]})
        return OrderLine.objects.create(price=book.price, **validated_data)


class OrderSerializer(serializers.ModelSerializer):
    lines = OrderLineSerializer(many=True, read_only=True)
    total = serializers.DecimalField(max_digits=10, decimal_places=2, read_only=True)

    class Meta:
        model = Order
        fields = ["number", "note", "lines", "total"]
        read_only_fields = ["number"]


class ArchivedOrderSerializer(serializers.ModelSerializer):
    class Meta:
        model = ArchivedOrder
        fields = ["id", "number", "lines", "total"]


class BasketItemSerializer(serializers.Serializer):
    book = serializers.PrimaryKeyRelatedField(queryset=Book.objects.all())
    quantity = serializers.IntegerField(min_value=1, default=1)


class SubscriptionSerializer(serializers.Serializer):
    email = serializers.EmailField()


class StockSerializer(serializers.Serializer):
    isbn = serializers.CharField()
    stock = serializers.IntegerField(min_value=0)


class PasswordSerializer(serializers.Serializer):
    old_password = serializers.CharField()
    new_password = serializers.CharField(validators=[validate_password])

    def validate_old_password(self, old_password: str) -> str:
        user: User = self.context["request"].user
        if not user.check_password(old_password):
            raise serializers.ValidationError("This is not your password.")
        return old_password


def not_bad(name: str) -> None:
    """Refuse one name, so that there is a value with which a request fails late."""
    if name == "BAD":
        raise serializers.ValidationError("No name may be BAD.")


class ItemSerializer(serializers.ModelSerializer):
    class Meta:
        model = Item
        fields = ["id", "name"]
        extra_kwargs = {"name": {"validators": [not_bad]}}


class ContactSerializer(serializers.ModelSerializer):
    displayName = serializers.CharField(source="name", max_length=100)  # noqa: N815

    class Meta:
        model = Contact
        fields = ["id", "displayName"]


class EntitySerializer(serializers.Serializer):
    """An entity as it is sent: its keys, and any properties beside them."""

    PartitionKey = serializers.CharField(max_length=100)
    RowKey = serializers.CharField(max_length=100)
    name = serializers.CharField(required=False, validators=[not_bad])

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        known = super().to_internal_value(data)
        return {**data, **known}
