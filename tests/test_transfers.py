"""The load script, for a second; `python -m tests.transfers` runs it for as long as one likes."""

import pytest

from tests.services import SERVICES, database_or_skip
from tests.transfers import run


@pytest.mark.parametrize("server", SERVICES)
def test_transfers_under_load_are_done_or_not_and_told_truly(server, django_db_blocker):
    with database_or_skip(server) as database, django_db_blocker.unblock():
        report = run(database, seconds=1, clients=16, kill=True)
    assert report.wrongs == []
    assert True in report.transfers.values()
    assert False in report.transfers.values()
    assert report.counts["connections killed"]
