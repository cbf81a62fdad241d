"""The errors as values: what they report, and what they keep in memory."""

from weakref import ref

from django_batch.errors import Malformed, refusal


def test_error_without_others_reports_itself():
    error = Malformed("The batch has no sub-requests.", pointer="/requests")
    assert error.errors == (error,)
    assert error.problem()["errors"] == [{"pointer": "/requests", "detail": "The batch has no sub-requests."}]


def test_refusal_of_several_faults_reports_each():
    faults = [Malformed("One.", pointer="/requests/0"), Malformed("Two.", pointer="/requests/1")]
    assert refusal(faults).errors == tuple(faults)


def test_error_is_freed_without_the_garbage_collector():
    error = Malformed("One.")
    assert error.errors
    freed = ref(error)
    del error
    assert freed() is None
