"""`manage.py resume_jobs`: for cron, or whatever calls it every minute."""

from typing import Any

from django.core.management.base import BaseCommand

from django_batch.jobs.resuming import resume_all


class Command(BaseCommand):
    """Submits the chunks of jobs whose worker, or whose message, was lost."""

    help = "Submit again what was lost: chunks whose worker is gone, or that no worker has begun."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{resume_all()} chunks were submitted.")
