"""django-cors-headers."""

from tests.packages.settings import *

PACKAGES = ["corsheaders"]
INSTALLED_APPS = [*INSTALLED_APPS, "corsheaders"]
MIDDLEWARE = ["corsheaders.middleware.CorsMiddleware", *MIDDLEWARE]
CORS_ALLOWED_ORIGINS = ["https://shop.example"]
CORS_ALLOW_CREDENTIALS = True
CORS_URLS_REGEX = r"^/(api|batch)/"
CSRF_TRUSTED_ORIGINS = CORS_ALLOWED_ORIGINS
