"""The bookshop in files that the tests have made, with the URLs of `tests.servers.site`."""

import os

from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.servers.site"
FOLDER = os.environ["LIVE_FOLDER"]
DATABASES = {
    alias: {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{FOLDER}/{alias}.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 60},
    }
    for alias in ("default", "archive")
}
BATCH = {"MAX_REQUESTS": 2000, "EXECUTOR": "django_batch.execution.executors.ThreadExecutor"}
