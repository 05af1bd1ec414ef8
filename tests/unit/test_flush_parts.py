"""A flush that is added to the totals in parts, so that it takes little memory."""

from __future__ import annotations

import logging

import pytest

from counters.dialects import sqlite
from counters.increments import MAX_VALUE
from counters.models import Number
from counters.totals import add_to_totals

pytestmark = pytest.mark.django_db(transaction=True)


def test_all_parts_count(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(sqlite, "_MAX_STAGED_BYTES", 30_000)
    deltas = {f"🦊 {number}": number - 2000 for number in range(5000)}
    add_to_totals(deltas)
    with caplog.at_level(logging.WARNING):
        add_to_totals(deltas | {"🦊 0": 3 * MAX_VALUE, "🦊 4999": MAX_VALUE})
    expected = {key: 2 * delta for key, delta in deltas.items()}
    expected |= {"🦊 0": MAX_VALUE, "🦊 4999": MAX_VALUE}
    assert dict(Number.objects.values_list("key", "value")) == expected
    assert caplog.text.count("has reached the limit") == 2


def test_a_flush_makes_no_pending_key_longer_in_memory() -> None:
    """Python keeps the UTF-8 of a text with it, once somebody has asked for it in a certain way."""
    keys = [f"{number} " + "🦊" * 100 for number in range(10)]
    before = [key.__sizeof__() for key in keys]
    add_to_totals(dict.fromkeys(keys, 1))
    assert [key.__sizeof__() for key in keys] == before
