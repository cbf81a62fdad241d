"""What the bookshop knows.

No row is stamped with the time of day: the same requests always give the same answers.
"""

import json
import zlib
from decimal import Decimal

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models, router, transaction
from django.db.models import F


class Author(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.name


def cover_path(book: "Book", filename: str) -> str:
    """Where a cover is stored: by its book, whatever the uploaded file was called."""
    return f"covers/{book.isbn}.png"


class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    title = models.CharField(max_length=200)
    isbn = models.CharField(max_length=13, unique=True, validators=[RegexValidator(r"^[0-9]{13}\Z")])
    published = models.PositiveSmallIntegerField(help_text="The year.")
    price = models.DecimalField(max_digits=8, decimal_places=2, validators=[MinValueValidator(0)])
    price_since = models.DateField(null=True, blank=True)
    stock = models.PositiveIntegerField(default=0)
    cover = models.FileField(upload_to=cover_path, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.title

    def take(self, quantity: int) -> bool:
        """Whether so many copies were in stock; then they have been taken out of it."""
        in_stock = Book.objects.filter(pk=self.pk, stock__gte=quantity)
        return bool(in_stock.update(stock=F("stock") - quantity))

    def put_back(self, quantity: int) -> None:
        Book.objects.filter(pk=self.pk).update(stock=F("stock") + quantity)


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    rating = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    text = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["book", "owner"], name="one_review_each")]


class Order(models.Model):
    """An order; its number is chosen by the client, so that sending it again is safe."""

    number = models.CharField(max_length=20, unique=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Decimal:
        return sum((line.price * line.quantity for line in self.lines.all()), Decimal())

    @transaction.atomic
    def cancel(self) -> None:
        """Delete this order and put its books back in stock."""
        for line in self.lines.all():
            line.cancel()
        self.delete()

    def archive(self) -> "ArchivedOrder":
        """Move this order to the archive, which is another database."""
        archive = router.db_for_write(ArchivedOrder)
        with transaction.atomic(), transaction.atomic(using=archive):
            archived = ArchivedOrder.objects.create(
                number=self.number,
                owner=self.owner.get_username(),
                total=self.total,
                lines=[line.summary() for line in self.lines.select_related("book")],
            )
            self.delete()
        return archived


class OrderLine(models.Model):
    order = models.ForeignKey(Order, models.CASCADE, related_name="lines")
    book = models.ForeignKey(Book, models.PROTECT)
    quantity = models.PositiveIntegerField(validators=[MinValueValidator(1)])
    price = models.DecimalField(max_digits=8, decimal_places=2, help_text="Of one copy, when it was ordered.")

    class Meta:
        ordering = ["pk"]

    @transaction.atomic
    def cancel(self) -> None:
        """Delete this line and put its books back in stock."""
        self.book.put_back(self.quantity)
        self.delete()

    def summary(self) -> dict[str, str | int]:
        """This line without references to other rows, as the archive keeps it."""
        return {
            "isbn": self.book.isbn,
            "quantity": self.quantity,
            "price": str(self.price),
        }


class ArchivedOrder(models.Model):
    """An order of the past, in the database `archive`, with its owner's name as text."""

    number = models.CharField(max_length=20)
    owner = models.CharField(max_length=150)
    total = models.DecimalField(max_digits=10, decimal_places=2)
    lines = models.JSONField()

    class Meta:
        ordering = ["pk"]


class Subscriber(models.Model):
    email = models.EmailField(unique=True)


class Item(models.Model):
    """What the shop sells beside books: bookmarks, cards, lamps."""

    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["pk"]


class Contact(models.Model):
    """Somebody whom the shop knows by name."""

    name = models.CharField(max_length=100)

    class Meta:
        ordering = ["pk"]


class Entity(models.Model):
    """A row of a table without columns: two keys, and any properties."""

    partition_key = models.CharField(max_length=100)
    row_key = models.CharField(max_length=100)
    properties = models.JSONField(default=dict)

    class Meta:
        ordering = ["partition_key", "row_key"]
        constraints = [models.UniqueConstraint(fields=["partition_key", "row_key"], name="one_entity_by_its_keys")]

    @property
    def etag(self) -> str:
        """Another one whenever the properties change."""
        return f'W/"{zlib.crc32(json.dumps(self.properties, sort_keys=True).encode()):08x}"'
