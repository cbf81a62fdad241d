"""The example site, with the bank beside it."""

from django.db import transaction
from django.urls import include, path

from django_batch.dialects.facebook import FacebookBatch
from django_batch.dialects.google import GoogleMultipart
from django_batch.dialects.odata import ODataJSON, ODataMultipart
from django_batch.execution.executors import ThreadExecutor
from django_batch.views import BatchView
from example_project.urls import urlpatterns as site
from tests.bank import views

bank = [
    path("total/", views.total),
    path("meeting/", views.meet),
    path("accounts/<slug:name>/", views.Balance.as_view()),
    path("accounts/<slug:name>/outpaced/", views.outpace),
    path("accounts/<slug:name>/locked/", views.locked),
    path("entries/<slug:reference>/", views.write),
    path("entries/<slug:reference>/outside/", views.write_outside),
    path("entries/<slug:reference>/async/", views.write_async),
    path("entries/<slug:reference>/lenient/", views.Lenient.as_view()),
    path("entries/<slug:reference>/lenient-outside/", transaction.non_atomic_requests(views.Lenient.as_view())),
]

side_by_side = BatchView.as_view(executor=ThreadExecutor, parallel_writes=True)

urlpatterns = [
    *site,
    path("bank/batch/", side_by_side),
    path("bank/$batch", BatchView.as_view(dialect=ODataJSON)),
    path("bank/parts/$batch", BatchView.as_view(dialect=ODataMultipart)),
    path("bank/google", BatchView.as_view(dialect=GoogleMultipart)),
    path("bank/facebook", BatchView.as_view(dialect=FacebookBatch(plain_success=False, fill_empty=False))),
    path("bank/<slug:alias>/", include(bank)),
]
