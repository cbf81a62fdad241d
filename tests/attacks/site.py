"""The bookshop, with views that an attacker would like to find in it."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from django.contrib.auth import login, logout
from django.contrib.auth.middleware import RemoteUserMiddleware
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import BaseAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from django_batch.authentication import SharedTokenAuthentication
from django_batch.decorators import batch_exempt, batch_limit, group_exempt
from django_batch.throttling import BatchRateThrottle
from django_batch.views import BatchView
from example_project.bookshop.models import Author

from .dialects import PROTOCOLS


class ProxyUserMiddleware(RemoteUserMiddleware):
    """Of a site behind a proxy that logs people in."""

    header = "HTTP_REMOTE_USER"


class ExcusingMiddleware:
    """Of a site that lets programs send batches without a CSRF token."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path == "/batch/":
            request._dont_enforce_csrf_checks = True
        return self.get_response(request)


class InsideMiddleware:
    """Of a site that has more paths for those who work there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.user.get_username() == "staff":
            request.urlconf = "tests.attacks.inside"
        return self.get_response(request)


def seen(request: HttpRequest) -> JsonResponse:
    """What a site that trusts its proxy knows of the sender."""
    user = getattr(request, "user", None)
    return JsonResponse(
        {
            "user": user.get_username() if user else None,
            "address": request.META.get("HTTP_X_FORWARDED_FOR", request.META["REMOTE_ADDR"]),
            "secure": request.is_secure(),
            "host": request.get_host(),
        }
    )


def seen_as(request: HttpRequest, what: str) -> HttpResponse:
    """A view that has many paths."""
    return seen(request)


def say(request: HttpRequest) -> HttpResponse:
    """What was asked for, as an answer of any type."""
    return HttpResponse(urlsafe_b64decode(request.GET["body"]), content_type=request.GET["type"])


class Shred(APIView):
    """Looks at the method for itself, as careless views do."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method in ("POST", "DELETE"):
            self.permission_denied(request)

    def delete(self, request: Request) -> Response:
        return Response("shredded")

    post = delete


@csrf_exempt
def enter(request: HttpRequest, name: str) -> JsonResponse:
    """A login without any check."""
    login(request, User.objects.get(username=name), "django.contrib.auth.backends.ModelBackend")
    return JsonResponse({})


def deactivate(request: HttpRequest) -> None:
    User.objects.filter(username="staff").update(is_active=False)


def revoke(request: HttpRequest) -> None:
    User.objects.get(username="staff").user_permissions.clear()


def change_password(request: HttpRequest) -> None:
    staff = User.objects.get(username="staff")
    staff.set_password("another-secret")
    staff.save()


def drop_token(request: HttpRequest) -> None:
    Token.objects.filter(user__username="staff").delete()


def promote(request: HttpRequest) -> None:
    User.objects.get(username="ada").user_permissions.add(Permission.objects.get(codename="add_author"))


@csrf_exempt
def change(request: HttpRequest, what: str) -> JsonResponse:
    """Changes somebody's rights while the batch is under way."""
    {each.__name__: each for each in (deactivate, revoke, logout, change_password, drop_token, promote)}[what](request)
    return JsonResponse({})


@csrf_exempt
def guess(request: HttpRequest) -> HttpResponse:
    """Counts the wrong guesses in the database."""
    Author.objects.create(name="a wrong guess")
    return HttpResponse(status=403)


def purge(request: HttpRequest) -> HttpResponse:
    """Deletes, whatever it is asked by."""
    Author.objects.filter(name="Eve").delete()
    Author.objects.create(name="Eve")
    return HttpResponse("purged")


class OverridingMiddleware:
    """Of a site whose links and forms have a `_method`."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.method = request.GET.get("_method", request.method)
        return self.get_response(request)


class Rated(BatchRateThrottle):
    """Counts the items of batches."""

    rate = "3/hour"


@batch_exempt
def exempt(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@batch_exempt
async def exempt_async(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


@method_decorator(batch_exempt, name="dispatch")
class Exempt(APIView):
    def get(self, request: Request) -> Response:
        return Response("reached")


class ExemptMethods(APIView):
    @batch_exempt
    def get(self, request: Request) -> Response:
        return Response("reached")

    @method_decorator(batch_exempt)
    def post(self, request: Request) -> Response:
        return Response("reached")


class ExemptAsyncMethod(View):
    @batch_exempt
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("reached")


@method_decorator(batch_exempt, name="dispatch")
class ExemptViewSet(ViewSet):
    def list(self, request: Request) -> Response:
        return Response("reached")

    @action(detail=False)
    def more(self, request: Request) -> Response:
        return Response("reached")


class ExemptActions(ViewSet):
    @batch_exempt
    def list(self, request: Request) -> Response:
        return Response("reached")

    @batch_exempt
    @action(detail=False)
    def outside(self, request: Request) -> Response:
        return Response("reached")

    @action(detail=False)
    @batch_exempt
    def inside(self, request: Request) -> Response:
        return Response("reached")


def by_keyword(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Calls `view` as some decorators do."""
    return lambda request: view(request=request)


@group_exempt
def group_exempt_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse("reached")


class ByToken(APIView):
    """Takes tokens, under a keyword that is set on the authenticator."""

    permission_classes = (IsAuthenticated,)
    keyword = "Token"

    def get_authenticators(self) -> list[BaseAuthentication]:
        authenticator = SharedTokenAuthentication()
        authenticator.keyword = self.keyword
        return [authenticator]

    def get(self, request: Request) -> Response:
        return Response(request.user.get_username())


class EndingError(BaseException):
    """What no framework expects."""


class UnclosedResponse(HttpResponse):
    def close(self) -> None:
        super().close()
        raise RuntimeError("This response is broken on purpose.")


def end(request: HttpRequest, what: str) -> HttpResponse:
    """Answers in a way that would end more than this request."""
    if what == "base":
        raise EndingError
    response = UnclosedResponse() if what == "close" else HttpResponse()
    if what == "headers":
        response.headers = None
    elif what == "status":
        response.status_code = "none"
    return response


router = SimpleRouter()
router.register("exempt-viewset", ExemptViewSet, "exempt-viewset")
router.register("exempt-actions", ExemptActions, "exempt-actions")
urlpatterns = [
    path("", seen),
    path("seen/", seen, name="seen"),
    path("by-token/", ByToken.as_view()),
    path("by-keyword/", ByToken.as_view(keyword="Key")),
    path("end/<slug:what>/", end),
    path("exempt-by-keyword/", by_keyword(exempt)),
    path("group-exempt-by-keyword/", by_keyword(group_exempt_view)),
    path("say/", say),
    path("shred/", Shred.as_view()),
    path("enter/<slug:name>/", enter),
    path("change/<slug:what>/", change),
    path("guess/", guess),
    path("purge/", purge),
    path("limited/<slug:what>/", batch_limit(1)(seen_as)),
    path("exempt/", exempt),
    path("exempt-async/", exempt_async),
    path("exempt-class/", Exempt.as_view()),
    path("exempt-methods/", ExemptMethods.as_view()),
    path("exempt-async-method/", ExemptAsyncMethod.as_view()),
    path("", include(router.urls)),
    path("", include("tests.attacks.passwords")),
    path("again/", include(("django_batch.urls", "again"))),
    path("token-batch/", BatchView.as_view(authentication_classes=[TokenAuthentication])),
    path("open-batch/", BatchView.as_view(authentication_classes=[])),
    path("rated-batch/", BatchView.as_view(throttle_classes=[Rated])),
    *(
        path(f"{name}-{batch}/", BatchView.as_view(dialect=protocol.dialect, **options))
        for name, protocol in PROTOCOLS.items()
        for batch, options in (
            ("batch", {}),
            ("token-batch", {"authentication_classes": [TokenAuthentication]}),
            ("open-batch", {"authentication_classes": []}),
            ("rated-batch", {"throttle_classes": [Rated]}),
        )
    ),
    path("", include("example_project.urls")),
]
