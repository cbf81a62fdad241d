"""The views that are measured: as little as a view can do, and what most views do."""

import time

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.generics import CreateAPIView, ListAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer
from rest_framework.views import APIView

from benchmarks.models import Book, Note
from django_batch.authentication import SharedTokenAuthentication


def plain(request: HttpRequest, number: int = 0) -> HttpResponse:
    """No REST framework."""
    return JsonResponse({"ok": True})


def waits(request: HttpRequest) -> HttpResponse:
    """As long as a database or a service that is far away."""
    time.sleep(0.02)
    return JsonResponse({"ok": True})


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """The body that was sent."""
    return HttpResponse(request.body, content_type="application/json")


class TrivialView(APIView):
    """REST framework, and nothing else."""

    def get(self, request: Request) -> Response:
        """The least there is to say."""
        return Response({"ok": True})


class PrivateView(TrivialView):
    """One of two, by its `authentication_classes`."""

    authentication_classes: tuple[type[BaseAuthentication], ...] = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)


class TokenView(PrivateView):
    """The other."""

    authentication_classes = (SharedTokenAuthentication,)


class BookSerializer(ModelSerializer):
    """A row of the list."""

    class Meta:
        model = Book
        fields = ("id", "title", "author", "price", "published")


class NoteSerializer(ModelSerializer):
    """What is created."""

    class Meta:
        model = Note
        fields = ("id", "title", "text", "created")


class BooksView(ListAPIView):
    """All books: twenty."""

    queryset = Book.objects.order_by("id")
    serializer_class = BookSerializer


class NotesView(CreateAPIView):
    """One INSERT."""

    queryset = Note.objects.all()
    serializer_class = NoteSerializer
