"""The first law in another format: what its items mean is what they mean in the native one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from .equivalence.calls import REFUSED
from .equivalence.odata import can_say, in_odata
from .equivalence.runs import alone, run
from .equivalence.senders import Sender, senders
from .equivalence.sequences import sequences
from .equivalence.sites import Site, sites
from .equivalence.traces import differences

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@pytest.fixture
def compare(bookshop, tmp_path):
    """What differs where calls are sent in a batch: one line for each thing."""

    def compare(site, sender, calls):
        found = []
        for how in (alone, in_odata):
            bookshop()
            found.append(run(how, site, sender, calls, folder=tmp_path))
        return list(differences(*found))

    return compare


@given(site=sites, sender=senders, calls=sequences().filter(lambda calls: any(map(can_say, calls))))
def test_batch_of_odata_leaves_what_its_requests_leave_alone(site, sender, calls, compare):
    site = replace(site, authenticates=site.authenticates and sender.is_let_in_by(site))
    assert compare(site, sender, [*filter(can_say, calls)]) == []


def test_what_a_batch_refuses_is_refused_in_the_words_of_odata(compare):
    assert compare(Site(), Sender(), [*filter(can_say, REFUSED)]) == []
