"""URL patterns, looked through for each path of a batch as often as it takes to be sure of the answer."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.conf.urls.i18n import i18n_patterns
from django.http import HttpResponse
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, include, path, re_path, register_converter
from django.urls.converters import StringConverter
from django.urls.resolvers import RegexPattern, RoutePattern
from django.utils import translation
from django.utils.functional import lazystr
from django.utils.translation import gettext_lazy

from django_batch.execution.chain.resolving import resolve_once

TIMES = 5


def view(request, **kwargs):
    return HttpResponse()


class Fickle(StringConverter):
    """What it makes of a path, no path tells."""

    times = 0

    def to_python(self, value):
        Fickle.times += 1
        return Fickle.times


class Shy(RoutePattern):
    """Does not always match."""


class OwnPattern(URLPattern):
    __hash__ = None


class OwnResolver(URLResolver):
    pass


register_converter(Fickle, "fickle")
LAST = path("<path:rest>", view, name="last")


def resolved(patterns, sent="a/7/", times=TIMES, language=None, **attributes):
    """The matches of requests to the same path, and how often Django was asked for one."""
    resolver = URLResolver(RegexPattern(r"^/"), patterns)
    matches, asked = {}, []

    def resolve(request):
        asked.append(request.path_info)
        request.resolver_match = resolver.resolve(request.path_info)
        return request.resolver_match

    found = []
    for number in range(times):
        request = SimpleNamespace(path_info=f"/{sent}", **attributes)
        with translation.override(language[number % len(language)] if language else None):
            found.append(resolve_once(request, matches, resolve))
        assert request.resolver_match is found[-1]
    return found, len(asked)


PLAIN = {
    "a route": [path("a/<int:number>/", view, {"more": 1})],
    "routes of all converters": [path("<int:a>/<slug:b>/<uuid:c>/<str:d>/<path:e>", view), LAST],
    "a regular expression": [re_path(r"^a/(\d)/$", view)],
    "others before it": [path("b/", view), path("c/", include([path("d/", view)])), LAST],
    "includes": [path("<slug:first>/", include(([path("<int:number>/", view, name="it")], "app"), namespace="space"))],
    "patterns of another kind behind it": [LAST, OwnPattern(RoutePattern("a/7/", is_endpoint=True), view)],
}


@pytest.mark.parametrize("patterns", PLAIN.values(), ids=PLAIN)
def test_path_alone_decides_where_all_patterns_are_plain(patterns):
    found, asked = resolved(patterns)
    assert asked == 2
    assert len({repr(match) for match in found}) == 1
    assert [{**vars(match)} for match in found] == [vars(found[0])] * TIMES


def test_what_one_request_does_to_its_match_no_other_sees():
    found, _ = resolved(PLAIN["includes"])
    for name, value in vars(found[0]).items():
        if isinstance(value, dict | list):
            assert len({id(vars(match)[name]) for match in found}) == TIMES, name


NOT_PLAIN = {
    "a converter of the site's own": [path("a/<fickle:number>/", view)],
    "such a converter before it": [path("a/<fickle:number>/more/", view), LAST],
    "such a converter in an include": [path("<fickle:first>/", include([path("<int:number>/", view)]))],
    "a pattern of the site's own": [OwnPattern(RoutePattern("a/7/", is_endpoint=True), view)],
    "such a pattern before it": [OwnPattern(RoutePattern("b/", is_endpoint=True), view), LAST],
    "a resolver of the site's own": [OwnResolver(RoutePattern("a/"), [path("7/", view)])],
    "such a resolver before it": [OwnResolver(RoutePattern("a/"), [path("8/", view)]), LAST],
    "a part of the site's own": [URLPattern(Shy("a/7/", is_endpoint=True), view)],
    "a language before it": [*i18n_patterns(path("b/", view)), LAST],
    "a translated route": [path(lazystr("a/7/"), view)],
    "a translated expression": [re_path(lazystr("^a/7/$"), view)],
}


@pytest.mark.parametrize("patterns", NOT_PLAIN.values(), ids=NOT_PLAIN)
def test_all_are_looked_through_where_something_else_may_decide(patterns):
    assert resolved(patterns)[1] == TIMES


def test_converter_makes_a_value_for_each_request():
    Fickle.times = 0
    found, _ = resolved(NOT_PLAIN["a converter of the site's own"])
    assert [match.kwargs for match in found] == [{"number": number + 1} for number in range(TIMES)]


def test_language_decides_about_its_routes_each_time():
    patterns = [*i18n_patterns(path("b/", view, name="in a language")), LAST]
    found, _ = resolved(patterns, "de/b/", times=6, language=["de", "en"])
    assert [match.url_name for match in found] == ["in a language", "last"] * 3
    patterns = [path(gettext_lazy("Yes"), view, name="translated"), LAST]
    found, _ = resolved(patterns, "Ja", times=6, language=["de", "en"])
    assert [match.url_name for match in found] == ["translated", "last"] * 3


def test_urlconf_that_a_middleware_chooses_is_looked_through_each_time():
    assert resolved(PLAIN["a route"], urlconf="another")[1] == TIMES


def test_path_that_leads_nowhere_is_not_found_each_time():
    matches = {}
    for _ in range(TIMES):
        with pytest.raises(Resolver404):
            resolve_once(
                SimpleNamespace(path_info="/b/"),
                matches,
                lambda request: URLResolver(RegexPattern("^/"), PLAIN["a route"]).resolve(request.path_info),
            )


def test_different_paths_are_told_apart():
    resolver, matches = get_resolver("example_project.urls"), {}
    paths = [f"/api/books/{number}/" for number in (1, 2, 1, 2, 1, 2)]
    found = [
        resolve_once(SimpleNamespace(path_info=each), matches, lambda r: resolver.resolve(r.path_info))
        for each in paths
    ]
    assert [f"/api/books/{match.kwargs['pk']}/" for match in found] == paths


def test_batch_of_any_number_of_paths_keeps_few_of_them():
    resolver, matches = get_resolver("example_project.urls"), {}
    for number in range(2_500):
        request = SimpleNamespace(path_info=f"/api/books/{number}/")
        assert resolve_once(request, matches, lambda r: resolver.resolve(r.path_info)).kwargs["pk"] == str(number)
    assert len(matches) <= 1_000
