"""`manage.py batch_tool` prints a batch URL as a tool for a language model."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from django_batch import conf
from django_batch.agent_tool import Tool, batch_tool, site_routes
from django_batch.checks import is_batch_view
from django_batch.dialects.native import NativeDialect


def _openai(tool: Tool, read_only: bool) -> dict[str, Any]:
    return {"type": "function", "function": tool}


def _anthropic(tool: Tool, read_only: bool) -> dict[str, Any]:
    return {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}


def _mcp(tool: Tool, read_only: bool) -> dict[str, Any]:
    """As a server of the Model Context Protocol lists it."""
    about = {"readOnlyHint": read_only, "destructiveHint": not read_only}
    listed = {"name": tool["name"], "description": tool["description"], "inputSchema": tool["parameters"]}
    return {**listed, "annotations": about}


FORMATS: dict[str, Callable[[Tool, bool], Any]] = {
    "plain": lambda tool, read_only: tool,
    "openai": _openai,
    "anthropic": _anthropic,
    "mcp": _mcp,
}


class Command(BaseCommand):
    help = "Prints a batch URL as a tool for a language model: its name, description and the schema of its arguments."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", help="the path of the batch URL, by default that of django_batch.urls")
        parser.add_argument("--read-only", action="store_true", help="offer safe methods only")
        parser.add_argument("--under", default="/", help="list only routes that begin with this path")
        parser.add_argument("--format", choices=FORMATS, default="plain", help="how a provider writes a tool")

    def handle(self, *args: Any, **options: Any) -> None:
        read_only = options["read_only"]
        routes = [route for route in site_routes() if route.path.startswith(options["under"])]
        tool = batch_tool(_view_at(options["url"]), routes, read_only=read_only)
        self.stdout.write(json.dumps(FORMATS[options["format"]](tool, read_only), indent=2, ensure_ascii=False))


def _view_at(url: str | None) -> Any:
    """The batch view at the path `url`, with the settings of its URL."""
    try:
        match = resolve(url or reverse("django_batch:batch"))
    except NoReverseMatch:
        raise CommandError("No URL includes django_batch.urls. Name the path of a batch view with --url.") from None
    except Resolver404:
        raise CommandError(f"No URL of this site has the path {url}.") from None
    if not is_batch_view(match.func):
        raise CommandError(f"The view at {url} is no batch view.")
    view: Any = match.func.view_class(**match.func.view_initkwargs)  # type: ignore[attr-defined]
    if not any(isinstance(dialect, NativeDialect) for dialect in conf.instances(view.dialect)):
        raise CommandError(f"The batch view at {url} does not speak the native dialect.")
    return view
