"""The fuzzer's target over fixed inputs, without atheris: no batch is a 500 of the whole, or costs more than it may."""

from __future__ import annotations

import pytest

from . import fuzz

pytestmark = [
    pytest.mark.django_db(transaction=True, databases="__all__"),
    pytest.mark.urls("tests.equivalence.urls"),
]


@pytest.mark.parametrize("data", fuzz.SEEDS, ids=range(len(fuzz.SEEDS)))
def test_fixed_input_is_answered_without_a_500(bookshop, data):
    assert fuzz.target(data) in (200, 207, 400, 403, 413, 415)


def test_cut_inputs_are_answered_without_a_500(bookshop):
    for data in fuzz.SEEDS:
        for end in range(1, len(data), max(1, len(data) // 12)):
            fuzz.target(data[:end])


def test_finding_is_told(bookshop, monkeypatch):
    monkeypatch.setattr(fuzz, "SECONDS", 0)
    with pytest.raises(AssertionError, match="seconds for one input"):
        fuzz.target(fuzz.SEEDS[0])


def test_fuzzer_says_how_to_install_what_it_needs(capsys, monkeypatch):
    monkeypatch.setattr(fuzz, "find_spec", lambda name: None)
    assert fuzz.main([]) == 1
    assert "django-batch[fuzz]" in capsys.readouterr().err
