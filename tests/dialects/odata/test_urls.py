"""Where the URLs of OData's items lead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_batch.dialects.odata.urls import ServiceRoot
from django_batch.errors import Malformed

BATCH = "https://h/svc/$batch"
# the URL of the batch, the URL of an item, and the path that it leads to
DEFAULT = [
    (BATCH, "Items(7)", "/svc/Items(7)"),
    (BATCH, "Items%287%29", "/svc/Items%287%29"),
    (BATCH, "Items?$filter=name eq 'x'", "/svc/Items?$filter=name%20eq%20'x'"),
    (BATCH, "Items(at=10:30)", "/svc/Items(at=10:30)"),
    (BATCH, "Items?$filter=name eq 'C#\\x'", "/svc/Items?$filter=name%20eq%20'C%23%5Cx'"),
    (BATCH, "https://h/Items?q=C#", "/Items?q=C%23"),
    (BATCH, "/Items?q=C#", "/Items?q=C%23"),
    (BATCH, "./Items", "/svc/Items"),
    (BATCH, "../Items", "/Items"),
    (BATCH, "../../../Items", "/Items"),
    (BATCH, "", "/svc/"),
    (BATCH, "?page=2", "/svc/?page=2"),
    (BATCH, "/svc/Items(7)", "/svc/Items(7)"),
    (BATCH, "/api/items/7/", "/api/items/7/"),
    (BATCH, "https://h/api/items/7/?a=b", "/api/items/7/?a=b"),
    (BATCH, "HTTPS://H:443/x", "/x"),
    (BATCH, "https://h:443/x", "/x"),
    (BATCH, "https://h", "/"),
    (BATCH, "https://h?a=b c", "/?a=b%20c"),
    (BATCH, "$batch", "/svc/$batch"),
    (BATCH, "$metadata", "/svc/$metadata"),
    (BATCH, "$crossjoin(Items,Notes)?$top=1", "/svc/$crossjoin(Items,Notes)?$top=1"),
    (BATCH, "$entity?$id=Items(7)", "/svc/$entity?$id=Items(7)"),
    (BATCH, "$a/Notes", "$a/Notes"),
    (BATCH, "%241?$select=a b", "%241?$select=a%20b"),
    (BATCH, "$Batch", "$Batch"),
    ("https://h/svc/$batch/", "Items", "/svc/Items"),
    ("https://h/batch", "Items", "/Items"),
    ("https://h/a/b%20c/$batch", "Items", "/a/b%20c/Items"),
]
GRAPH = [
    ("https://h/v1.0/$batch", "/me", "/v1.0/me"),
    ("https://h/v1.0/$batch", "me", "/v1.0/me"),
    ("https://h/v1.0/$batch", "../me", "/me"),
    ("https://h/$batch", "/users/7", "/v1.0/users/7"),
    ("https://h/$batch", "users/7", "/v1.0/users/7"),
    ("https://h/$batch", "/v1.0/me", "/v1.0/me"),
    ("https://h/$batch", "/v1.0", "/v1.0/v1.0"),
    ("https://h/$batch", "/api/items/7/", "/api/items/7/"),
    ("https://h/$batch", "/apiary", "/v1.0/apiary"),
    ("https://h/$batch", "https://h/api/items/7/", "/api/items/7/"),
    ("https://h/$batch", "https://h/me", "/me"),
    ("https://h/$batch", "$a/Notes", "$a/Notes"),
]
# the URL of the batch, its root, a URL with a reference behind the root, and the path that it leads to
BEHIND_ROOT = [
    (BATCH, None, "/svc/$1", "$1"),
    (BATCH, None, "https://h/svc/$1/Notes?$top=1", "$1/Notes?$top=1"),
    (BATCH, None, "/svc/%241", "%241"),
    ("https://h/$batch", None, "/$1", "$1"),
    ("https://h/$batch", "/v1.0/", "/v1.0/$1", "$1"),
    ("https://h/$batch", "/v1.0/", "/$1", "$1"),
    # paths
    (BATCH, None, "/svc/$2", "/svc/$2"),
    (BATCH, None, "/svc/$batch", "/svc/$batch"),
    (BATCH, None, "/$1", "/$1"),
    (BATCH, None, "/svc/Items/$1", "/svc/Items/$1"),
    (BATCH, None, "/svc/Items?at=/$1", "/svc/Items?at=/$1"),
]
NOWHERE = [
    "https://other/Items",
    "http://h/Items",
    "https://h:8443/Items",
    "https://h@other/Items",
    "https://h.other/Items",
    "https://h//other/Items",
    "//other/Items",
    "ftp://h/Items",
    "/Items#top",
    "Items\\7",
    "Items\n",
    "https://[/",
    "x" * 20_000,
]


@pytest.mark.parametrize(("base", "url", "path"), DEFAULT)
def test_url_is_of_the_host_or_relative_to_the_batch(base, url, path):
    assert ServiceRoot().resolve(url, base=base) == path


@pytest.mark.parametrize(("base", "url", "path"), GRAPH)
def test_url_with_a_slash_is_under_the_root_that_was_given(base, url, path):
    assert ServiceRoot("/v1.0/", ("/api/",)).resolve(url, base=base) == path


@pytest.mark.parametrize(("base", "root", "url", "path"), BEHIND_ROOT)
def test_reference_may_stand_behind_the_root_if_its_id_is_known(base, root, url, path):
    assert ServiceRoot(root).resolve(url, base=base, known=["1", "batch"]) == path


@pytest.mark.parametrize(("root", "path"), [(None, "/svc/"), ("/v1.0/", "/v1.0/")])
def test_root_stands_before_a_reference_as_a_url_or_a_path(root, path):
    assert ServiceRoot(root).prefixes("https://h/svc/$batch") == (f"https://h{path}", path)


@pytest.mark.parametrize("url", NOWHERE)
@pytest.mark.parametrize("root", [ServiceRoot(), ServiceRoot("/v1.0/")])
def test_url_that_leads_elsewhere_is_refused(root, url):
    with pytest.raises(Malformed):
        root.resolve(url, base=BATCH)


@pytest.mark.parametrize("paths", [("v1.0/",), ("/v1.0",), ("https://h/",), ("/v1.0/", ("api/",)), (None, ("/api",))])
def test_root_without_its_slashes_is_no_root(paths):
    with pytest.raises(ValueError, match="must begin and end with a slash"):
        ServiceRoot(*paths)


@given(url=st.text(st.sampled_from("/.:?#$%@\\a1 \n(") | st.characters(), max_size=12) | st.just("https://h"))
def test_whatever_the_url_it_is_of_this_host_or_refused(url):
    try:
        path = ServiceRoot("/v1.0/").resolve(url, base=BATCH)
    except Malformed:
        return
    assert path.startswith(("$", "%24")) or (path.startswith("/") and not path.startswith("//"))
