from typing import Any

from django.db.models import Model

ARCHIVED_MODEL = ("bookshop", "archivedorder")


class ArchiveRouter:
    """Keeps archived orders, and nothing else, in the database `archive`."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        archived = (model._meta.app_label, model._meta.model_name) == ARCHIVED_MODEL
        return "archive" if archived else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool:
        return (db == "archive") == ((app_label, model_name) == ARCHIVED_MODEL)
