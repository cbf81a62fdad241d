"""django-tenants, which needs PostgreSQL: each host has a schema of its own, with its users and orders."""

from tests.packages.settings import *

PACKAGES = ["django_tenants"]
SERVERS = ["postgresql"]
ALLOWED_HOSTS = [".example"]
DATABASES = {"default": {**POSTGRESQL, "ENGINE": "django_tenants.postgresql_backend"}}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
SHARED_APPS = ["django_tenants", "tests.packages.tenants", *INSTALLED_APPS]
TENANT_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django.contrib.sessions",
    "tests.packages.shop",
]
INSTALLED_APPS = SHARED_APPS
MIDDLEWARE = ["django_tenants.middleware.main.TenantMainMiddleware", *MIDDLEWARE]
