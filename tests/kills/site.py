"""The view whose runs are counted."""

from __future__ import annotations

import time
from random import uniform

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

TABLE = "CREATE TABLE done (run INTEGER, name VARCHAR(20))"


@csrf_exempt
def do(request: HttpRequest, run: int, name: str) -> HttpResponse:
    time.sleep(uniform(0, 0.004))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO done VALUES (%s, %s)", [run, name])
    time.sleep(uniform(0, 0.004))
    return JsonResponse({"name": name}, status=400 if name == "refused" else 201)


urlpatterns = [path("do/<int:run>/<name>/", do), path("batch/", include("django_batch.urls"))]
