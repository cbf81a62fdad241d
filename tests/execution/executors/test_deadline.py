"""How long a batch may run."""

from __future__ import annotations

import pytest

from django_batch.execution.executors.deadline import Deadline


@pytest.mark.parametrize(("now", "left"), [(100, 1.5), (101, 0.5), (101.5, 0.0), (200, 0.0)])
def test_deadline_is_over_after_its_seconds(now, left):
    times = iter([100, now, now])
    deadline = Deadline(1.5, clock=lambda: next(times))
    assert (deadline.left(), deadline.over()) == (left, left == 0)


def test_deadline_of_no_seconds_is_never_over():
    assert (Deadline(None).left(), Deadline(None).over()) == (None, False)
