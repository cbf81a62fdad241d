"""The bank as a site of its own, whose only database is the JSON of `BANK_DATABASE`."""

import json
import os

from tests import services  # noqa: F401  # it lets PyMySQL stand in for MySQLdb
from tests.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bank.urls"
DATABASES = {"default": {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True, **json.loads(os.environ["BANK_DATABASE"])}}
BATCH = {"ATOMIC_RETRIES": int(os.environ["BANK_RETRIES"])}
LOGGING = {  # what goes wrong is counted where it is answered
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "root": {"handlers": ["none"]},
}
