from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView


class ReadOnly(BasePermission):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method in SAFE_METHODS


class IsOwner(BasePermission):
    """Allows an object to its `owner` only."""

    def has_object_permission(self, request: Request, view: APIView, obj: Any) -> bool:
        return bool(obj.owner == request.user)


class IsPartner(BasePermission):
    """Allows members of the group `partners`: companies that keep stock for the shop."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.groups.filter(name="partners").exists()
