"""One contract for a URL that speaks several dialects, of which no two read the same media type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django_batch.openapi.contract import Content, Contract
from django_batch.openapi.problems import by_status
from django_batch.openapi.values import Schema

Answers = Mapping[tuple[int | str, str], Content]  # status and media type -> what is answered


def all_requests(contracts: Iterable[Contract]) -> Sequence[Content]:
    """The bodies that the URL reads."""
    return [content for contract in contracts for content in contract.requests]


def all_answers(contracts: Iterable[Contract]) -> Answers:
    """The bodies that a batch which was run is answered with."""
    found: dict[tuple[int | str, str], list[Content]] = {}
    for contract in contracts:
        for status, contents in contract.answers.items():
            for content in contents:
                found.setdefault((status, content.media_type), []).append(content)
    return {place: _any_of(contents) for place, contents in found.items()}


def all_refusals(contracts: Iterable[Contract]) -> tuple[Answers, Mapping[int, str]]:
    """The bodies that refuse a batch, and what each status means."""
    found: dict[tuple[int | str, str], list[Content]] = {}
    refusals = []
    for contract in contracts:
        refusals += [each for each in contract.refusals if each not in refusals]
        for status in by_status(contract.refusals):
            found.setdefault((status, contract.error.media_type), []).append(contract.error)
    return {place: _any_of(contents) for place, contents in found.items()}, by_status(refusals)


def _any_of(contents: Sequence[Content]) -> Content:
    first, schemas = contents[0], _different(each.schema for each in contents)
    if len(schemas) == 1:
        return first
    return Content(media_type=first.media_type, schema={"anyOf": schemas})


def _different(schemas: Iterable[Schema]) -> list[Schema]:
    found: list[Schema] = []
    for schema in schemas:
        if schema not in found:
            found.append(schema)
    return found
