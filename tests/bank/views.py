"""What the bank answers. The alias of its database stands in each path."""

from __future__ import annotations

from contextlib import nullcontext, suppress

from django.db import DatabaseError, transaction
from django.db.models import F, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from tests.bank import mishaps
from tests.bank.models import Account, Entry


@csrf_exempt
def write(request: HttpRequest, alias: str, reference: str) -> HttpResponseBase:
    """Write an entry, then let happen what `?then=` names. GET only lets it happen, DELETE deletes."""
    if request.method == "DELETE":
        deleted, _ = Entry.objects.using(alias).filter(reference=reference).delete()
        return HttpResponse(status=204 if deleted else 404)
    if request.method == "POST":
        Entry.objects.using(alias).create(reference=reference)
    return mishaps.MISHAPS[request.GET.get("then", "nothing")](alias, reference)


@transaction.non_atomic_requests
@csrf_exempt
def write_outside(request: HttpRequest, alias: str, reference: str) -> HttpResponseBase:
    """The same, in no transaction of its own whatever the settings say."""
    return write(request, alias, reference)


@csrf_exempt
async def write_async(request: HttpRequest, alias: str, reference: str) -> HttpResponse:
    """Write an entry from a coroutine."""
    await Entry.objects.using(alias).acreate(reference=reference)
    return HttpResponse(status=201)


class Lenient(APIView):
    """Answers every error with success, as some sites do; REST framework marks the transaction for rollback."""

    authentication_classes = ()

    def post(self, request: Request, alias: str, reference: str) -> Response:
        """Write an entry, and find that it was wrong."""
        Entry.objects.using(alias).create(reference=reference)
        raise ValidationError("No, on second thoughts.")

    def handle_exception(self, exc: Exception) -> Response:
        """The error, in an answer that says all is well."""
        return Response(super().handle_exception(exc).data, status=200)


@method_decorator(csrf_exempt, name="dispatch")
class Balance(View):
    """One account."""

    def get(self, request: HttpRequest, alias: str, name: str) -> HttpResponse:
        """The balance; `?lock=` keeps the row for this transaction, `?lock=nowait` or fails at once."""
        accounts = Account.objects.using(alias)
        if "lock" in request.GET:
            accounts = accounts.select_for_update(nowait=request.GET["lock"] == "nowait")
        return JsonResponse({"balance": accounts.get(name=name).balance})

    def post(self, request: HttpRequest, alias: str, name: str) -> HttpResponse:
        """Add `?amount=`, written down as `?reference=`. No account goes below zero, nor all of them below `?keep=`.

        `?swallow=` hides an error of the database.
        """
        amount, keep = int(request.GET["amount"]), int(request.GET.get("keep", 0))
        if keep and total_of(alias) + amount < keep:
            return HttpResponse("Too little would be left.", status=409)
        accounts = Account.objects.using(alias).filter(name=name)
        with suppress(DatabaseError) if "swallow" in request.GET else nullcontext():
            if not accounts.filter(balance__gte=-amount).update(balance=F("balance") + amount):
                return HttpResponse("There is no such account, or too little in it.", status=409)
        if reference := request.GET.get("reference"):
            Entry.objects.using(alias).create(reference=reference, account=accounts.get(), amount=amount)
        return HttpResponse(status=204)


def total_of(alias: str) -> int:
    total: int = Account.objects.using(alias).aggregate(total=Sum("balance"))["total"]
    return total


def total(request: HttpRequest, alias: str) -> HttpResponse:
    """All the money there is."""
    return JsonResponse({"total": total_of(alias)})


def meet(request: HttpRequest, alias: str) -> HttpResponse:
    """Wait for the other one."""
    mishaps.meeting.attend()
    return HttpResponse(status=204)


@csrf_exempt
def outpace(request: HttpRequest, alias: str, name: str) -> HttpResponse:
    """Another connection adds 1 to the account, and commits."""
    mishaps.execute_elsewhere(alias, f"UPDATE bank_account SET balance = balance + 1 WHERE name = '{name}'")
    return HttpResponse(status=204)


def locked(request: HttpRequest, alias: str, name: str) -> HttpResponse:
    """Whether another connection finds the account locked."""
    try:
        mishaps.execute_elsewhere(alias, f"SELECT 1 FROM bank_account WHERE name = '{name}' FOR UPDATE NOWAIT")
    except DatabaseError:
        return JsonResponse({"locked": True})
    return JsonResponse({"locked": False})
