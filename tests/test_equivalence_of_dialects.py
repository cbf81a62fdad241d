"""The first law for batches that come as forms, and for Facebook's: they leave what their requests leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from .equivalence.dialects import fits_facebook, in_a_form, in_facebooks_batch, is_carried
from .equivalence.runs import alone, run
from .equivalence.senders import senders
from .equivalence.sequences import sequences
from .equivalence.sites import sites
from .equivalence.traces import differences

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
# Who may send a form at all.
taken = senders.map(lambda sender: replace(sender, csrf="valid", key="present", fresh=False))


@pytest.mark.parametrize(
    ("how", "fits"), [(in_a_form, is_carried), (in_facebooks_batch, fits_facebook)], ids=["form", "facebook"]
)
@given(site=sites, sender=taken, calls=sequences())
def test_batch_leaves_what_its_requests_leave_alone(site, sender, calls, how, fits, bookshop, tmp_path):
    site = replace(site, authenticates=site.authenticates and sender.is_let_in_by(site))
    found = []
    for each in (alone, how):
        bookshop()
        found.append(run(each, site, sender, [call for call in calls if fits(call)], folder=tmp_path))
    assert [*differences(*found)] == []
