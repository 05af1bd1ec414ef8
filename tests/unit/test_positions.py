"""Positions: how long they are kept, and whose date says so."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from counters import flusher, totals
from counters.buffer import Buffer
from counters.flusher import Flusher
from counters.increments import Increment
from counters.models import Number, Position

pytestmark = pytest.mark.django_db(transaction=True)

ANCIENT = date(1970, 1, 1)


@pytest.fixture
def buffer(tmp_path: Path) -> Buffer:
    return Buffer(tmp_path, max_pending_keys=1000, max_pending_bytes=2**30, max_journal_bytes=2**30)


def note_positions_of_all_ages() -> None:
    today = datetime.now(UTC).date()
    for number, days in enumerate([28, 32, 500, 32, 398, 402]):
        Position.objects.create(
            journal="0" * 31 + str(number),
            position=number,
            retired=number < 3,
            seen_on=today - timedelta(days=days),
        )


def left() -> set[int]:
    rows = Position.objects.filter(journal__startswith="0" * 31)
    return set(rows.values_list("position", flat=True))


def test_positions_of_journals_go_after_their_time(
    buffer: Buffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note_positions_of_all_ages()
    Flusher(buffer, tmp_path, interval_seconds=3600).flush()
    assert left() == set(range(6))  # the first deletion comes an hour after the start
    monkeypatch.setattr(flusher, "_PRUNE_SECONDS", 0)
    Flusher(buffer, tmp_path, interval_seconds=3600).flush()
    assert left() == {0, 3, 4}


def test_a_position_stays_whatever_its_date_while_its_journal_stands(
    buffer: Buffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process has stood still while the machine's clock went from 1970 to today."""
    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    Flusher(buffer, tmp_path, interval_seconds=3600).flush()
    Position.objects.update(seen_on=ANCIENT)
    monkeypatch.setattr(flusher, "_PRUNE_SECONDS", 0)
    other = Buffer(tmp_path, max_pending_keys=10, max_pending_bytes=2**30, max_journal_bytes=2**30)
    Flusher(other, tmp_path, interval_seconds=3600).flush()
    assert Position.objects.filter(journal=journal.name).exists()
    buffer.record([Increment("a", 1)])
    Flusher(buffer, tmp_path, interval_seconds=3600).flush()
    assert dict(Number.objects.values_list("key", "value")) == {"a": 2}
    buffer.close()


def test_the_date_of_a_position_is_the_database_s() -> None:
    """Machines that share it may have clocks that are years apart."""
    journal = "f" * 32
    positions = Position.objects.filter(journal=journal, seen_on=ANCIENT)
    with connection.cursor():
        connection.connection.create_function("date", -1, lambda *_: str(ANCIENT))
    totals.lock_position(journal)
    assert positions.exists()
    Position.objects.update(seen_on=date(2020, 1, 1))
    totals.retire_position(journal)
    assert positions.exists()
    Position.objects.update(seen_on=date(2020, 1, 1))
    totals.move_position(journal, 7)
    assert positions.exists()
    assert totals.is_up_to_date(journal, 7)
    totals.prune_positions(set())
    assert positions.exists()
    with connection.cursor():
        connection.connection.create_function("date", -1, lambda *_: str(datetime.now(UTC).date()))
