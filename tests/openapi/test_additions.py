"""What a site adds to what drf-spectacular writes: dialects, views, schema classes and extensions of its own."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import extend_schema

from django_batch.core.batch import Batch
from django_batch.dialects.base import Dialect, Envelope, Writer
from django_batch.errors import BatchError
from django_batch.openapi import Content, Contract, Endpoint, contract_of
from django_batch.openapi.naming import named_apart
from django_batch.openapi.spectacular.extension import below
from django_batch.openapi.spectacular.schema import BatchSchema
from django_batch.views import BatchView
from tests.openapi.schemas import operation_of, schema_for, schema_of

SEVERAL = "tests.openapi.several_urls"
JSON, PROBLEM = "application/json", "application/problem+json"


def test_two_dialects_that_answer_alike_have_one_answer_of_either() -> None:
    responses = operation_of(schema_for(dialect=[OwnDialect(), OtherDialect()]))["responses"]
    assert [*responses["2XX"]["content"]["*/*"]["schema"]] == ["anyOf"]


class OwnDialect(Dialect):
    media_types = ("application/x-own", "")

    def parse(self, envelope: Envelope) -> Batch:
        raise NotImplementedError

    def writer(self, batch: Batch) -> Writer:
        raise NotImplementedError


class OtherDialect(OwnDialect):
    media_types = ("application/y-other",)


@contract_of.register
def other(dialect: OtherDialect, endpoint: Endpoint) -> Contract:
    return Contract(
        requests=[Content(media_type="application/y-other", schema={})],
        answers={"2XX": [Content(media_type="*/*", schema={"type": "boolean"})]},
        error=Content(media_type=JSON, schema={}),
    )


class OwnDialectWithErrors(OwnDialect):
    error_content_type = "text/plain; charset=utf-8"

    def write_error(self, error: BatchError) -> bytes:
        return error.detail.encode()


def test_dialect_that_nobody_described_has_free_bodies_and_problem_documents() -> None:
    operation = operation_of(schema_for(dialect=OwnDialect))
    assert operation["requestBody"]["content"] == {
        "application/x-own": {"schema": {"description": "A batch for `OwnDialect`."}}
    }
    assert operation["responses"]["400"]["content"][PROBLEM]["schema"] == {"$ref": "#/components/schemas/HttpProblem"}
    assert operation["operationId"] == "batch_create_own_dialect"


def test_dialect_with_errors_of_its_own_has_no_problem_documents() -> None:
    schema = schema_for(dialect=OwnDialectWithErrors)
    assert [*operation_of(schema)["responses"]["400"]["content"]] == ["text/plain"]
    assert "schemas" not in schema["components"]


def test_what_a_site_says_about_a_view_outranks_the_package() -> None:
    paths = schema_of(SEVERAL)["paths"]
    tagged, summed_up, plain = (paths[url]["post"] for url in ("/tagged/", "/summed_up/", "/batch/"))
    assert (tagged["tags"], tagged["summary"]) == (["orders"], "Send orders")
    assert summed_up["summary"] == "Send anything"
    assert plain["summary"] == "Send many requests in one"
    assert tagged["requestBody"] == summed_up["requestBody"] == plain["requestBody"]


def test_views_are_what_they_were_after_they_were_described() -> None:
    from tests.openapi import several_urls

    classes = [pattern.callback.cls for pattern in several_urls.urlpatterns]
    schema_of(SEVERAL)
    assert [pattern.callback.cls for pattern in several_urls.urlpatterns] == classes
    assert not isinstance(several_urls.SummedUpView.schema, BatchSchema)


class SchemaOfTheSite(AutoSchema):
    def get_tags(self) -> list[str]:
        return ["ours"]


def test_schema_class_of_the_site_is_above_that_of_batches() -> None:
    class Ours(BatchView):
        schema = SchemaOfTheSite()

    operation = operation_of(schema_for(Ours))
    assert operation["tags"] == ["ours"]
    assert JSON in operation["requestBody"]["content"]


def test_schema_class_that_is_not_spectacular_has_no_say() -> None:
    assert below(object) is BatchSchema


class SchemaOfSpecial(SchemaOfTheSite):
    def get_request_serializer(self):
        return {"text/plain": {"type": "string"}}

    def get_response_serializers(self):
        return {200: {"type": "string"}}


def test_extension_of_a_site_for_its_own_view_is_preferred() -> None:
    class Special(BatchView):
        pass

    class SpecialExtension(OpenApiViewExtension):
        target_class = Special

        def view_replacement(self):
            return type("Special", (self.target,), {"schema": SchemaOfSpecial()})

    try:
        assert [*operation_of(schema_for(Special))["requestBody"]["content"]] == ["text/plain"]
    finally:
        OpenApiViewExtension._registry.remove(SpecialExtension)


class GreetingView(BatchView):
    @extend_schema(responses={200: {"type": "string"}}, summary="Greet")
    def get(self, request):
        raise NotImplementedError


def test_other_methods_of_a_view_are_described_as_ever() -> None:
    operation = schema_for(GreetingView)["paths"]["/batch/"]["get"]
    assert operation["summary"] == "Greet"
    assert [*operation["responses"]] == ["200"]


def test_excluded_view_is_not_in_the_schema() -> None:
    class Excluded(BatchView):
        class schema(AutoSchema):  # noqa: N801
            def is_excluded(self) -> bool:
                return True

        schema = schema()

    schema = schema_for(Excluded)
    assert schema["paths"] == {}
    assert "schemas" not in schema["components"]


def test_component_that_refers_to_one_with_a_new_name_has_a_new_name_too() -> None:
    prefix = "#/components/schemas/"
    taken = {"Outer": {"$ref": f"{prefix}Inner"}, "Inner": {"type": "string"}, "Same": {}}
    components = {**taken, "Inner": {"type": "integer"}}
    assert named_apart(components, taken, suffix="2") == {"Inner": "Inner2", "Outer": "Outer2"}


def test_urls_that_would_give_the_same_names_have_different_ones() -> None:
    views = {url: BatchView.as_view(max_requests=number) for number, url in enumerate(["a/b/", "a.b/", "a/b"], start=1)}
    with patched_settings({"PREPROCESSING_HOOKS": []}):
        patterns = [path(url, view) for url, view in views.items()]
        schema = SchemaGenerator(patterns=patterns).get_schema(public=True)
    found = {url: item["post"]["requestBody"]["content"][JSON]["schema"] for url, item in schema["paths"].items()}
    names = {url: each["oneOf"][0]["$ref"].rpartition("/")[2] for url, each in found.items()}
    sizes = {
        url: schema["components"]["schemas"][name]["properties"]["requests"]["maxItems"] for url, name in names.items()
    }
    assert sizes == {"/a/b/": 1, "/a.b/": 2, "/a/b": 3}
