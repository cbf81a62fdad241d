"""What is listed, and what is created."""

from django.db import models


class Book(models.Model):
    """One of the twenty that are listed."""

    title = models.CharField(max_length=100)
    author = models.CharField(max_length=100)
    price = models.DecimalField(max_digits=8, decimal_places=2)
    published = models.DateField()

    def __str__(self) -> str:
        return self.title


class Note(models.Model):
    """One more with every create."""

    title = models.CharField(max_length=100)
    text = models.TextField()
    created = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.title
