"""A link to the console, for pages of a site."""

from django import template
from django.urls import NoReverseMatch, reverse

from django_batch.console import is_on
from django_batch.views import BatchView

register = template.Library()


@register.simple_tag
def batch_console_url() -> str:
    """The URL of the console at `django_batch.urls`, or an empty text if it is off, or these URLs are not included."""
    if not is_on(BatchView.console):
        return ""
    try:
        return reverse("django_batch:batch")
    except NoReverseMatch:
        return ""
