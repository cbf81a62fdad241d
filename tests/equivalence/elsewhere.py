"""Another URLconf, which a middleware may choose."""

from django.urls import re_path

from .odd import told

urlpatterns = [re_path("^odd/told/(.+)/$", told, {"more": "elsewhere"}, name="elsewhere")]
