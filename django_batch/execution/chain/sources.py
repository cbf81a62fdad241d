"""Whether the code of a view can check a password, as far as the code tells.

The names in the code of a view are looked up as Python would do it: functions and classes of the site and of packages
are looked through in turn, with the serializers and forms that they name. What is only found at run time is not found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import CodeType, FunctionType, ModuleType
from typing import Any

from django.contrib import auth
from django.contrib.auth import hashers
from django.db.models import Model

_CHECKS_CREDENTIALS = (
    *(auth.authenticate, auth.aauthenticate, auth.login, auth.alogin),
    *(hashers.check_password, hashers.acheck_password, hashers.verify_password),
)
_METHODS = frozenset(("check_password", "acheck_password"))  # of a user
_MODULES = (auth, hashers)
_FRAMEWORKS = ("django.", "rest_framework.", "django_batch.", "builtins.")
# They check what a request brings along, whatever its view is. Or they are named by nearly every view.
_NOT_FOLLOWED = ("rest_framework.authentication.BaseAuthentication", "django.contrib.auth.backends.BaseBackend")
_MAX_FOLLOWED = 2_000  # functions and classes of one view


def checks_credentials(view: Callable[..., Any] | None) -> bool:
    """Whether `view` is marked with `sensitive_post_parameters`, or its code names Django's functions for passwords."""
    if view is None:
        return False
    found: list[Any] = [view]
    seen: set[int] = set()
    while found and len(seen) < _MAX_FOLLOWED:
        each = found.pop(0)  # what is nearest to the view comes first
        if id(each) in seen:
            continue
        seen.add(id(each))
        for function in _functions(each):
            if _names_credentials(function):
                return True
            found += _named_by(function)
        found += _parts(each)
    return False


def class_of(view: Any) -> type | None:
    """The class of a class-based view."""
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    return kind if isinstance(kind, type) else None


def _functions(found: Any) -> Iterator[FunctionType]:
    """The functions that `found` is, wraps or, as a class, has."""
    if isinstance(found, type):
        yield from (function for each in vars(found).values() if (function := _function(each)))
    elif function := _function(found):
        yield function


def _function(found: Any) -> FunctionType | None:
    for name in ("__func__", "fget", "func"):  # of methods, properties and `partial`
        found = getattr(found, name, found)
    return found if isinstance(found, FunctionType) else None


def _parts(found: Any) -> Iterator[Any]:
    """The further things that belong to `found`: what it wraps, and what its class is made of."""
    if wrapped := getattr(found, "__wrapped__", None):
        yield wrapped
    kind = found if isinstance(found, type) else class_of(found) or type(found)
    for each in kind.__mro__:
        if _can_be_followed(each) and not _is_of_a_framework(each):
            yield each
            yield from filter(_can_be_followed, (part for value in vars(each).values() for part in _members(value)))


def _members(value: object) -> Iterator[object]:
    """`value`, or what it holds. Of the fields of a form or a serializer, the classes."""
    held = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else (value,)
    for each in held:
        yield each if isinstance(each, type) or _function(each) else type(each)


def _named_by(function: FunctionType) -> Iterator[Any]:
    """The functions and classes that the code of `function` names. A framework's decorators close over a site's."""
    names = {name for code in _codes(function.__code__) for name in (*code.co_names, *code.co_freevars)}
    known = _closed_over(function) if _is_of_a_framework(function) else _known_to(function)
    for value in [known[name] for name in names if name in known]:
        if isinstance(value, ModuleType):
            yield from filter(_can_be_followed, [getattr(value, name, None) for name in names])
        elif _can_be_followed(value):
            yield value


def _known_to(function: FunctionType) -> dict[str, Any]:
    return {**function.__globals__, **_closed_over(function)}


def _closed_over(function: FunctionType) -> dict[str, Any]:
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: cell.cell_contents for name, cell in cells if _is_filled(cell)}


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # it is empty
        return False


def _names_credentials(function: FunctionType) -> bool:
    codes = [*_codes(function.__code__)]
    names = {name for code in codes for name in code.co_names}
    if function.__code__.co_name == "sensitive_post_parameters_wrapper" or not _METHODS.isdisjoint(names):
        return True
    known = _known_to(function)
    names |= {name for code in codes for name in code.co_freevars}
    named = [known[name] for name in names if name in known]
    modules = [each for each in _MODULES if each in named or each.__name__ in names]  # `import` in a function
    named += [getattr(module, name) for module in modules for name in names if name in vars(module)]
    return any(each in _CHECKS_CREDENTIALS for each in named if callable(each))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """`code`, and that of the functions inside of it."""
    yield code
    for each in code.co_consts:
        if isinstance(each, CodeType):
            yield from _codes(each)


def _can_be_followed(found: object) -> bool:
    if isinstance(found, type):
        names = {f"{each.__module__}.{each.__qualname__}" for each in found.__mro__}
        return not issubclass(found, Model) and names.isdisjoint(_NOT_FOLLOWED)
    return isinstance(found, (FunctionType, partial)) or _function(found) is not None


def _is_of_a_framework(found: Any) -> bool:
    return f"{getattr(found, '__module__', None)}.".startswith(_FRAMEWORKS)
