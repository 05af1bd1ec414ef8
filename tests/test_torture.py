"""A short run of `make torture`: some faults, each once, accounted for to the last increment."""

from __future__ import annotations

import pytest

from torture.faults import FAULTS
from torture.run import perform


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short])
def test_loses_nothing_and_counts_nothing_twice(name: str) -> None:
    outcome = perform(FAULTS[name].inflict, seed=name)
    assert not outcome.failure, outcome.failure
    assert outcome.injected, "the fault never happened"
    assert outcome.verdict.acknowledged > 100
    assert not outcome.verdict.wrong, outcome.verdict
