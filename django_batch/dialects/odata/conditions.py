"""The `if` of an item: an expression of what `$ID/$succeeded` says of other items (OData JSON 4.01 §19.1).

Of the expressions that URLs can have, those of truth values are understood. Any other never holds, so that the item is
a 424, as the standard has it where a condition is not supported.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

Condition = Callable[[Mapping[str, bool]], bool]  # which ids succeeded -> whether it holds; raises `ValueError`

_TOKEN = re.compile(r"\$([^\s()/]+)/\$succeeded(?=[\s)]|$)|(and|or|not|eq|ne|true|false)(?=[\s()]|$)|([()])|(\S)", re.I)
_OPERATORS = {"or": operator.or_, "and": operator.and_, "eq": operator.eq, "ne": operator.ne}
_BINDING = {"(": 0, "or": 1, "and": 2, "eq": 3, "ne": 3, "not": 4}
_LONGEST = 10_000  # characters; each that is more costs many times what it takes to send it
_NOT_UNDERSTOOD = "is not understood: it is made of $ID/$succeeded, true, false, eq, ne, and, or, not and parentheses"

Token = tuple[str, str]  # what it is, and the id or the word


def compile_condition(text: str) -> tuple[set[str], Condition]:
    """The ids that the expression `text` speaks of, and the condition that it is."""
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
    """The tokens, with each operator behind what it combines: however many parentheses there are, nothing is nested."""
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
