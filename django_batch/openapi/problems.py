"""The refusals of django_batch and their codes, taken from the classes in `errors`.

A site may have errors of its own. Their codes are in the schema as soon as their classes exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from django_batch import errors
from django_batch.errors import BatchError
from django_batch.openapi.values import Schema, array, integer, record, ref, string

PROBLEM, CODE = "HttpProblem", "HttpProblemCode"

# The errors that may refuse a whole batch, whatever its dialect is.
READING: tuple[type[BatchError], ...] = (
    errors.Malformed,
    errors.TooManyRequests,
    errors.TooLarge,
    errors.BatchLimitExceeded,
    errors.UnsupportedMediaType,
    errors.ChainFailed,
)
# The errors that may refuse a batch whose items have names.
NAMING: tuple[type[BatchError], ...] = (errors.DuplicateId, errors.UnknownDependency, errors.DependencyCycle)


def codes() -> list[str]:
    """The codes of all errors, in the order of their classes."""
    return [*dict.fromkeys(each.code for each in _subclasses(BatchError))]


def _subclasses(error: type[BatchError]) -> Iterator[type[BatchError]]:
    for each in error.__subclasses__():
        yield each
        yield from _subclasses(each)


def by_status(refusals: Sequence[type[BatchError]]) -> Mapping[int, str]:
    """The status of each of `refusals`, with what they mean, in Markdown."""
    found: dict[int, list[str]] = {}
    for each in (*refusals, *_errors_of_the_site()):
        meaning = (each.__doc__ or "").strip().partition("\n")[0]
        found.setdefault(each.status, []).append(f"* `{each.code}`: {meaning}")
    return {status: "The whole batch is refused.\n\n" + "\n".join(lines) for status, lines in sorted(found.items())}


def _errors_of_the_site() -> list[type[BatchError]]:
    return [each for each in _subclasses(BatchError) if each.__module__ != errors.__name__]


def problem_components() -> Mapping[str, Schema]:
    """The problem document and its codes."""
    place = record(
        "One thing that is wrong.",
        {
            "pointer": string("A JSON Pointer into the batch. The empty string means all of it."),
            "detail": string("What is wrong there, and what to do instead."),
        },
        required=["pointer", "detail"],
    )
    members = {
        "type": string("Always `about:blank`."),
        "title": string("The name of the status."),
        "status": integer("The status of the answer, or of the item."),
        "detail": string("A sentence about the first error, for people."),
        "code": ref(CODE, "The name of the first error, for programs."),
        "errors": array(place, "Everything that is wrong, with its place.", minItems=1),
    }
    description = "A problem document (RFC 9457): why a batch or one of its items was refused, not run or rolled back."
    return {
        PROBLEM: record(description, members, required=[*members]),
        CODE: {"type": "string", "description": "The name of an error.", "enum": codes()},
    }
