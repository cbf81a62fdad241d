"""The views, and every way to send a batch that is installed."""

from django.urls import include, path

from benchmarks import peers, views
from django_batch.dialects.google import GoogleMultipart
from django_batch.execution.executors import ThreadExecutor
from django_batch.views import BatchView

urlpatterns = [
    path("plain/", views.plain),
    path("echo/", views.echo),
    path("drf/", views.TrivialView.as_view()),
    path("session/", views.PrivateView.as_view()),
    path("token/", views.TokenView.as_view()),
    path("books/", views.BooksView.as_view()),
    path("notes/", views.NotesView.as_view()),
    path("waits/", views.waits),
    path("side-by-side/", BatchView.as_view(executor=ThreadExecutor(), max_workers=8)),
    path("batch/", include("django_batch.urls")),
    path("google/", BatchView.as_view(dialect=GoogleMultipart(max_requests=None))),
    *(path(url, view) for url, view in peers.views().items()),
    path("plain/<int:number>/", views.plain),
]
