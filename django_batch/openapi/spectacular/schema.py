"""How drf-spectacular describes a batch view: `BatchSchema`, made of the contracts of its dialects.

It stands below every other schema class in the order of inheritance, so what a site says about its views, in its
DEFAULT_SCHEMA_CLASS or with `extend_schema`, outranks what is said here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ComponentRegistry, ResolvedComponent
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiRequest, OpenApiResponse

from django_batch import conf
from django_batch.dialects.base import Dialect
from django_batch.dialects.native import NativeDialect
from django_batch.openapi.contract import Contract, Endpoint, Exchange, contract_of
from django_batch.openapi.merging import all_answers, all_refusals, all_requests
from django_batch.openapi.naming import named_apart, renamed
from django_batch.openapi.versions import for_version

_SCHEMA = ResolvedComponent.SCHEMA
# What REST framework answers before the batch is read. A site may give its exceptions another form.
_EXCEPTION = {"type": "object", "properties": {"detail": {"type": "string", "description": "What is wrong."}}}
_EXCEPTIONS = {
    401: "The credentials of the batch are missing or wrong.",
    403: "The sender may not send a batch, or the CSRF token is missing.",
    429: "The sender has sent too many batches.",
}
_suffixes: WeakKeyDictionary[ComponentRegistry, list[str]] = WeakKeyDictionary()  # of the URLs that needed one
_SEQUENCES_SINCE = "3.2"  # the version of OpenAPI that has `itemSchema`


class BatchSchema(AutoSchema):
    """An operation that takes batches."""

    view: Any

    def get_operation(
        self, path: str, path_regex: str, path_prefix: str, method: str, registry: ComponentRegistry
    ) -> Any:
        """The operation, and its components in `registry`."""
        self.method = method.upper()
        if self.is_excluded():
            return None
        self._dialects = dialects_of(self.view)
        self._contracts = [contract_of(each, _endpoint(self.view, each)) for each in self._dialects]
        self._names = self._register(registry, path)
        operation: Any = super().get_operation(path, path_regex, path_prefix, method, registry)
        operation["requestBody"]["required"] = True
        self._add_item_schemas(operation["responses"])
        return operation

    def get_operation_id(self) -> str:
        """The id that the path gives, with the names of dialects other than the native one."""
        names = [_words(type(each).__name__) for each in self._dialects if type(each) is not NativeDialect]
        return re.sub(r"[\W_]+", "_", "_".join([super().get_operation_id(), *names])).strip("_")

    def get_summary(self) -> str | None:
        """What the operation is for."""
        return "Send many requests in one"

    def get_description(self) -> str:  # type: ignore[override]  # as drf-spectacular has it
        """What a batch is, and what is special about each dialect."""
        limit = f"A batch has at most {self.view.max_size:,} bytes."
        return "\n\n".join(
            [
                "Each request is answered as if it had been sent alone, with the credentials of this one.",
                *(each.description for each in self._contracts if each.description),
                limit,
            ]
        )

    def get_override_parameters(self) -> list[Any]:
        """The headers that change how a batch is answered."""
        found = {name: text for contract in self._contracts for name, text in contract.headers.items()}
        return [OpenApiParameter(name, str, OpenApiParameter.HEADER, description=text) for name, text in found.items()]

    def get_request_serializer(self) -> Any:
        """The batches of all dialects, by media type."""
        return {
            each.media_type: OpenApiRequest(
                self._written(each.schema),
                examples=[*_examples(self._contracts, request_type=each.media_type)],
                encoding=for_version(each.encoding, spectacular_settings.OAS_VERSION) or None,
            )
            for each in all_requests(self._contracts)
        }

    def get_response_serializers(self) -> Any:
        """The answers, the refusals, and REST framework's own exceptions, by status and media type."""
        refusals, refused = all_refusals(self._contracts)
        answers = all_answers(self._contracts)
        excepted = self._exceptions()
        found = {place: (self._written(each.schema), self._answered(*place)) for place, each in answers.items()}
        found.update((place, (self._written(each.schema), [])) for place, each in refusals.items())
        for status in excepted:
            for media_type in self.map_renderers("media_type"):
                other = found.get((status, media_type))
                found[status, media_type] = ({"anyOf": [other[0], _EXCEPTION]} if other else _EXCEPTION, [])
        return {
            place: OpenApiResponse(schema, _meaning(place[0], excepted, refused), examples=examples)
            for place, (schema, examples) in sorted(found.items(), key=lambda each: str(each[0][0]))
        }

    def _exceptions(self) -> Mapping[int | str, str]:
        """What REST framework may answer before the batch is read, by status."""
        can_be = {401: bool(self.view.get_authenticators()), 403: True, 429: bool(self.view.throttle_classes)}
        return {status: meaning for status, meaning in _EXCEPTIONS.items() if can_be[status]}

    def _answered(self, status: int | str, media_type: str) -> list[OpenApiExample]:
        return [*_examples(self._contracts, status=status, answer_type=media_type)]

    def _written(self, schema: Any) -> Any:
        written = renamed(for_version(schema, spectacular_settings.OAS_VERSION), self._names)
        return written or {"description": "Any value."}  # drf-spectacular takes an empty schema for no body

    def _register(self, registry: ComponentRegistry, path: str) -> Mapping[str, str]:
        """Put all components into `registry`. Returns the new names of those whose names were taken."""
        found: dict[str, Any] = {}
        for contract in self._contracts:
            found |= for_version(contract.components, spectacular_settings.OAS_VERSION)
        place = "".join(map(str.capitalize, re.findall(r"[A-Za-z0-9]+", path)))
        names = _free_names(found, registry, f"At{place}")
        for name, schema in found.items():
            known_as = names.get(name, name)
            if _schema_in(registry, known_as) is None:
                registry.register(_component(known_as, renamed(schema, names)))
        return names

    def _add_item_schemas(self, responses: Mapping[str, Any]) -> None:
        """Describe the items of sequences, where the version of OpenAPI can."""
        if spectacular_settings.OAS_VERSION < _SEQUENCES_SINCE:
            return
        for (status, media_type), content in all_answers(self._contracts).items():
            written = responses.get(str(status), {}).get("content", {}).get(media_type)
            if content.item_schema and written:
                del written["schema"]
                written["itemSchema"] = self._written(content.item_schema)


def dialects_of(view: Any) -> Sequence[Dialect]:
    """The dialects of the URL of `view`."""
    return conf.instances(view.dialect)


def _endpoint(view: Any, dialect: Dialect) -> Endpoint:
    return Endpoint(
        max_requests=min(view.max_requests, dialect.max_requests or view.max_requests),
        max_size=view.max_size,
        methods=[*view.methods],
        headers=[*view.allowed_headers],
        dry_run=view.dry_run,
    )


def _meaning(status: int | str, *meanings: Mapping[Any, str]) -> str:
    """What `status` means: what each of `meanings` says, or that the batch was run."""
    return "\n\n".join(each[status] for each in meanings if status in each) or "The answers to all requests."


def _examples(contracts: Iterable[Contract], **wanted: object) -> Iterable[OpenApiExample]:
    """The examples with the `wanted` fields: of batches if their type is wanted, else of answers."""
    for contract in contracts:
        for each in contract.examples:
            if all(getattr(each, name) == value for name, value in wanted.items()):
                yield _example(each, each.request if "request_type" in wanted else each.answer)


def _example(exchange: Exchange, value: object) -> OpenApiExample:
    return OpenApiExample(exchange.name, value=value, summary=exchange.summary)


def _words(name: str) -> str:
    """`name`, in camel case, as words of lower case: `odata_json`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.replace("OData", "Odata")).lower()


def _free_names(components: Mapping[str, Any], registry: ComponentRegistry, suffix: str) -> Mapping[str, str]:
    """New names for those of `components` whose names are taken: those that another URL has given, or with `suffix`."""
    taken = {name: schema for name in components if (schema := _schema_in(registry, name)) is not None}
    suffixes = _suffixes.setdefault(registry, [])
    own = [f"{suffix}{number or ''}" for number in range(len(suffixes) + 1)]

    def are_free(names: Mapping[str, str]) -> bool:
        return all(_schema_in(registry, new) in (None, renamed(components[old], names)) for old, new in names.items())

    tried = ((each, named_apart(components, taken, suffix=each)) for each in (*suffixes, *own))
    used, names = next(found for found in tried if are_free(found[1]))
    if used not in suffixes:
        suffixes.append(used)
    return names


def _component(name: str, schema: Any) -> ResolvedComponent:
    return ResolvedComponent(name, _SCHEMA, schema, object=name)  # type: ignore[no-untyped-call]


def _schema_in(registry: ComponentRegistry, name: str) -> Any:
    try:
        return registry[name, _SCHEMA].schema
    except KeyError:
        return None
