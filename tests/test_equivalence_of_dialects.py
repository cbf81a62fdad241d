"""The first law in other formats: batches that come as forms, OData's, Google's and Facebook's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given

from .equivalence.calls import REFUSED
from .equivalence.dialects import (
    alone_without_lengths,
    fits_a_part,
    fits_facebook,
    in_a_form,
    in_facebooks_batch,
    in_facebooks_form,
    in_parts,
    is_carried,
)
from .equivalence.odata import can_say, in_odata
from .equivalence.runs import alone, run
from .equivalence.senders import Sender, senders
from .equivalence.sequences import sequences
from .equivalence.sites import Site, sites
from .equivalence.traces import differences

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def compare(bookshop, tmp_path):
    """What differs where calls are sent in this way: one line for each thing."""

    def compare(site, sender, calls, how, by_itself=alone):
        found = []
        for each in (by_itself, how):
            bookshop()
            found.append(run(each, site, sender, calls, folder=tmp_path))
        return [*differences(*found)]

    return compare


@pytest.mark.parametrize(
    ("by_itself", "how", "fits", "in_form"),
    [
        (alone, in_a_form, is_carried, True),
        (alone, in_odata, can_say, False),
        (alone_without_lengths, in_parts("change-sets"), fits_a_part, False),
        (alone_without_lengths, in_parts("google"), fits_a_part, False),
        (alone, in_facebooks_batch, fits_facebook, False),
        (alone, in_facebooks_form, fits_facebook, True),
    ],
    ids=["form", "odata json", "odata multipart", "google", "facebook", "facebook form"],
)
@given(site=sites, sender=senders, calls=sequences())
def test_batch_leaves_what_its_requests_leave_alone(site, sender, calls, by_itself, how, fits, in_form, compare):
    if in_form:  # which has to pass a CSRF check of its own
        sender = replace(sender, csrf="valid", key="present", fresh=False)
        # A session that is a dict keeps no secret from one request to the next, and a site that takes https for http
        # takes the origin of its own pages for that of another, so that no form passes there.
        keeps_secrets = site.csrf_use_sessions and site.chain != "dict sessions"
        site = replace(site, csrf_use_sessions=keeps_secrets, hidden_tls=False)
    sender = sender.on(site)
    site = replace(site, authenticates=site.authenticates and sender.is_let_in_by(site))
    said = [call for call in calls if fits(call) and site.can_be_sent(call)]
    assume(said)  # a batch of nothing is refused
    assert compare(site, sender, said, how, by_itself) == []


def test_what_a_batch_refuses_is_refused_in_the_words_of_odata(compare):
    assert compare(Site(), Sender(), [*filter(can_say, REFUSED)], in_odata) == []
