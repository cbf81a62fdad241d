"""A table of entities, with the URLs and the answers of a cloud's table service."""

from typing import Any

from django.shortcuts import get_object_or_404
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ..models import Entity
from ..serializers import EntitySerializer


class Entities(APIView):
    """Takes an entity; one that has the same keys is replaced."""

    authentication_classes = []

    def post(self, request: Request) -> Response:
        properties = received(request)
        return stored(found_or_new(properties["PartitionKey"], properties["RowKey"]), properties)


class EntityByKeys(APIView):
    """One entity, which what changes it need not find there."""

    authentication_classes = []

    def get(self, request: Request, partition_key: str, row_key: str) -> Response:
        entity = get_object_or_404(Entity, partition_key=partition_key, row_key=row_key)
        return Response({"odata.etag": entity.etag, **entity.properties}, headers={"ETag": entity.etag})

    def put(self, request: Request, partition_key: str, row_key: str) -> Response:
        return stored(found_or_new(partition_key, row_key), received(request))

    def patch(self, request: Request, partition_key: str, row_key: str) -> Response:
        entity = found_or_new(partition_key, row_key)
        return stored(entity, {**entity.properties, **received(request)})

    def delete(self, request: Request, partition_key: str, row_key: str) -> Response:
        Entity.objects.filter(partition_key=partition_key, row_key=row_key).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


def found_or_new(partition_key: str, row_key: str) -> Entity:
    """The entity that has these keys, or one that is not stored yet."""
    keys = {"partition_key": partition_key, "row_key": row_key}
    return Entity.objects.filter(**keys).first() or Entity(**keys)


def received(request: Request) -> dict[str, Any]:
    """The properties in the body, its keys among them."""
    serializer = EntitySerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    return serializer.validated_data


def stored(entity: Entity, properties: dict[str, Any]) -> Response:
    """The answer to an entity that is stored with these properties: it has no body."""
    entity.properties = properties
    entity.save()
    return Response(status=status.HTTP_204_NO_CONTENT, headers={"ETag": entity.etag})
