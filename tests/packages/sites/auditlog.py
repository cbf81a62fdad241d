"""django-auditlog."""

from tests.packages.settings import *

PACKAGES = ["auditlog"]
INSTALLED_APPS = [*INSTALLED_APPS, "auditlog"]
MIDDLEWARE = [*MIDDLEWARE, "auditlog.middleware.AuditlogMiddleware"]
