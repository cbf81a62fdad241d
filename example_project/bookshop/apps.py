from django.apps import AppConfig


class BookshopConfig(AppConfig):
    name = "example_project.bookshop"
    label = "bookshop"
