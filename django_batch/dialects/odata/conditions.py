"""The `if` of an item: a condition on the success of other items, `$ID/$succeeded` (OData JSON 4.01 §19.1).

The standard allows any OData expression here. Only Boolean expressions are supported. Any other condition never holds,
so its item is answered with 424, as the standard demands for unsupported conditions. An expression is turned into
postfix notation and evaluated with a stack, so deep nesting cannot exhaust Python's own stack.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

Condition = Callable[[Mapping[str, bool]], bool]  # id -> whether it succeeded; the result, or a `ValueError`

_TOKEN = re.compile(r"\$([^\s()/]+)/\$succeeded(?=[\s)]|$)|(and|or|not|eq|ne|true|false)(?=[\s()]|$)|([()])|(\S)", re.I)
_OPERATORS = {"or": operator.or_, "and": operator.and_, "eq": operator.eq, "ne": operator.ne}
_BINDING = {"(": 0, "or": 1, "and": 2, "eq": 3, "ne": 3, "not": 4}
_LONGEST = 10_000  # characters
_NOT_UNDERSTOOD = "is not understood. It may use $ID/$succeeded, true, false, eq, ne, and, or, not and parentheses"

Token = tuple[str, str]  # "id" with the id, or "word" with an operator, a truth value or a parenthesis


def compile_condition(text: str) -> tuple[set[str], Condition]:
    """The ids in the expression `text`, and its condition."""
    try:
        postfix = list(_postfix(text))
    except ValueError as error:
        return set(), partial(_never, str(error))
    return {word for kind, word in postfix if kind == "id"}, lambda succeeded: _evaluate(postfix, succeeded)


def _never(reason: str, succeeded: Mapping[str, bool]) -> bool:
    raise ValueError(reason)


def _tokens(text: str) -> Iterator[Token]:
    if len(text) > _LONGEST:
        raise ValueError(f"has more than {_LONGEST} characters")
    for found in _TOKEN.finditer(text):
        if found[4]:
            raise ValueError(_NOT_UNDERSTOOD)
        yield ("id", found[1]) if found[1] else ("word", (found[2] or found[3]).lower())


def _postfix(text: str) -> Iterator[Token]:
    """The tokens in postfix notation: each operator stands behind its operands, and there are no parentheses."""
    waiting: list[str] = []
    takes_value = True
    for kind, word in _tokens(text):
        is_value = kind == "id" or word in ("true", "false")
        if takes_value != (is_value or word in ("not", "(")):
            raise ValueError(_NOT_UNDERSTOOD)
        if is_value:
            yield kind, word
        elif word == ")":
            yield from _popped(waiting, at_least=1)
            if not waiting:
                raise ValueError(_NOT_UNDERSTOOD)
            waiting.pop()
        else:
            if word in _OPERATORS:
                yield from _popped(waiting, at_least=_BINDING[word])
            waiting.append(word)
        takes_value = not (is_value or word == ")")
    yield from _popped(waiting, at_least=1)
    if waiting or takes_value:
        raise ValueError(_NOT_UNDERSTOOD)


def _popped(waiting: list[str], *, at_least: int) -> Iterator[Token]:
    while waiting and _BINDING[waiting[-1]] >= at_least:
        yield "word", waiting.pop()


def _evaluate(postfix: list[Token], succeeded: Mapping[str, bool]) -> bool:
    values: list[bool] = []
    for kind, word in postfix:
        if kind == "id":
            values.append(succeeded[word])
        elif word in _OPERATORS:
            right, left = values.pop(), values.pop()
            values.append(_OPERATORS[word](left, right))
        else:
            values.append(not values.pop() if word == "not" else word == "true")
    return values[0]
