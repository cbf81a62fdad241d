"""The first law in another format: what its items mean is what they mean in the native one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given

from .equivalence.odata import can_say, in_odata
from .equivalence.runs import alone, run
from .equivalence.senders import senders
from .equivalence.sequences import sequences
from .equivalence.sites import sites
from .equivalence.traces import differences

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")


@given(site=sites, sender=senders, calls=sequences().filter(lambda calls: any(map(can_say, calls))))
def test_batch_of_odata_leaves_what_its_requests_leave_alone(site, sender, calls, bookshop, tmp_path):
    site = replace(site, authenticates=site.authenticates and sender.is_let_in_by(site))
    calls = [*filter(can_say, calls)]
    found = []
    for how in (alone, in_odata):
        bookshop()
        found.append(run(how, site, sender, calls, folder=tmp_path))
    assert list(differences(*found)) == []
