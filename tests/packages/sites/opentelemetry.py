"""OpenTelemetry, whose instrumentation puts its middleware into the list itself."""

from tests.packages.settings import *

PACKAGES = ["opentelemetry.sdk", "opentelemetry.instrumentation.django", "opentelemetry.instrumentation.asgi"]
