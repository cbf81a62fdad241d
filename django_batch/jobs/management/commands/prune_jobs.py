"""`manage.py prune_jobs`: for cron, once a day."""

from typing import Any

from django.core.management.base import BaseCommand

from django_batch.jobs.resuming import prune


class Command(BaseCommand):
    """Deletes jobs that have expired."""

    help = "Delete the jobs whose answers have expired, and what is left of those that were never accepted."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{prune()} jobs were deleted.")
