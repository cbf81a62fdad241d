"""The first law for batches that come as forms, Facebook's, Google's, and OData's in parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given

from .equivalence.dialects import (
    alone_without_lengths,
    fits_a_part,
    fits_facebook,
    in_a_form,
    in_facebooks_batch,
    in_parts,
    is_carried,
)
from .equivalence.runs import alone, run
from .equivalence.senders import senders
from .equivalence.sequences import sequences
from .equivalence.sites import sites
from .equivalence.traces import differences

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")
# Who may send a form at all.
taken = senders.map(lambda sender: replace(sender, csrf="valid", key="present", fresh=False))


@pytest.mark.parametrize(
    ("by_itself", "how", "fits"),
    [
        (alone, in_a_form, is_carried),
        (alone, in_facebooks_batch, fits_facebook),
        (alone_without_lengths, in_parts("google"), fits_a_part),
        (alone_without_lengths, in_parts("change-sets"), fits_a_part),
    ],
    ids=["form", "facebook", "google", "odata"],
)
@given(site=sites, sender=taken, calls=sequences())
def test_batch_leaves_what_its_requests_leave_alone(site, sender, calls, by_itself, how, fits, bookshop, tmp_path):
    site = replace(site, authenticates=site.authenticates and sender.is_let_in_by(site))
    said = [*filter(fits, calls)]
    assume(said)  # a batch of nothing is refused
    found = []
    for each in (by_itself, how):
        bookshop()
        found.append(run(each, site, sender, said, folder=tmp_path))
    assert [*differences(*found)] == []
