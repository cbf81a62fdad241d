"""Items and contacts, which anyone may read, write and delete: what the clients of other batch protocols try out."""

from typing import Any

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.viewsets import GenericViewSet, ModelViewSet

from ..models import Contact, Item
from ..serializers import ContactSerializer, ItemSerializer


class Open(GenericViewSet):
    """Asks nobody who they are. To delete what is gone already is a success, so that it can be sent again."""

    authentication_classes = []

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.get_queryset().filter(pk=self.kwargs["pk"]).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class ItemViewSet(Open, ModelViewSet):
    queryset = Item.objects.all()
    serializer_class = ItemSerializer

    def get_success_headers(self, data: dict[str, Any]) -> dict[str, str]:
        return {"Location": reverse("item-detail", [data["id"]], request=self.request)}


class ContactViewSet(Open, ModelViewSet):
    """Contacts, as a directory service shows users: what was changed is not sent back."""

    queryset = Contact.objects.all()
    serializer_class = ContactSerializer

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        super().update(request, *args, **kwargs)
        return Response(status=status.HTTP_204_NO_CONTENT)
