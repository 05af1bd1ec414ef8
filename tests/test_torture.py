"""A short run of `make torture`."""

from __future__ import annotations

import pytest

from tests.torture.faults import FAULTS
from tests.torture.run import Run, perform


@pytest.mark.parametrize("name", [name for name, fault in FAULTS.items() if fault.short])
def test_loses_nothing_and_counts_nothing_twice(name: str) -> None:
    outcome = perform(FAULTS[name].inflict, seed=name)
    assert not outcome.failure, outcome.failure
    assert outcome.injected, "the fault never happened"
    assert outcome.verdict.acknowledged > 100
    assert not outcome.verdict.wrong, outcome.verdict


def test_counts_beside_commands() -> None:
    outcome = perform(FAULTS["kill -9 everything"].inflict, seed="beside", beside_commands=True)
    assert not outcome.failure, outcome.failure
    assert not outcome.verdict.wrong, outcome.verdict


def test_a_fault_that_raises_an_error_is_reported_as_a_failure() -> None:
    def inflict(run: Run) -> None:
        run.start()
        raise TimeoutError("the worker did not come back")

    outcome = perform(inflict, seed="wrong")
    assert "the worker did not come back" in outcome.failure
    assert not outcome.ok
