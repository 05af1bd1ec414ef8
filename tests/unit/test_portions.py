"""A flush in portions, where the database refuses more keys than one transaction may try."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from counters import counting, own_journal, totals
from counters.buffer import Buffer
from counters.counting import Unfinished, flush_journal
from counters.flusher import Flusher
from counters.increments import Increment
from counters.journal_folder import opened
from counters.models import Number
from counters.recovery import flush_journals

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {f"good {number}": 1 for number in range(10)}


@pytest.fixture(autouse=True)
def _refusing(monkeypatch: pytest.MonkeyPatch, db: None) -> Iterator[None]:
    """Have the database refuse some keys, one transaction try none, and portions be short."""
    monkeypatch.setattr(totals, "MAX_TRIED_KEYS", 0)
    monkeypatch.setattr(counting, "_PORTION_BYTES", 1)
    monkeypatch.setattr(counting, "_REST_SECONDS", 0)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER no BEFORE INSERT ON numbers WHEN new.key LIKE 'bad%'"
            " BEGIN SELECT RAISE (ABORT, 'no'); END"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER no")


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[Buffer]:
    buffer = Buffer(
        tmp_path, max_pending_keys=1000, max_pending_bytes=2**30, max_journal_bytes=2**30
    )
    for number in range(10):
        buffer.record([Increment(f"good {number}", 1), Increment(f"bad {number}", 1)])
    with closing(buffer):
        yield buffer


def counted() -> dict[str, int]:
    return dict(Number.objects.values_list("key", "value"))


def refused(folder: Path) -> int:
    return len(list(folder.glob("*.refused")))


@pytest.mark.parametrize("rotates", [False, True])
def test_a_process_flushes_its_own_in_portions(
    buffer: Buffer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    if rotates:
        monkeypatch.setattr(own_journal, "_ROTATION_BYTES", 0)
    flusher = Flusher(buffer, tmp_path, interval_seconds=3600)
    flusher.flush()
    assert counted() == GOOD
    assert refused(tmp_path) > 2
    assert buffer.state().pending_keys == 0
    buffer.record([Increment("good 1", 1)])
    flusher.flush()
    assert counted() == {**GOOD, "good 1": 2}
    assert flusher.state().failures == 0


def test_what_a_flush_did_counts_if_it_is_given_up(buffer: Buffer, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("*.journal")
    found = [0]
    for _ in range(3):
        with opened(path) as journal, pytest.raises(Unfinished):
            flush_journal(journal, is_given_up=lambda: True)
        found.append(len(counted()))
    assert found == sorted(set(found))  # each went on where the one before had ended
    assert found[-1] < len(GOOD)
    Flusher(buffer, tmp_path, interval_seconds=3600).flush()
    assert counted() == GOOD


def test_a_damaged_record_stands_in_the_way_of_no_portion(buffer: Buffer, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("*.journal")
    buffer.close()
    data = path.read_bytes()
    at = data.index(b"good 5")
    path.write_bytes(data[:at] + b"\xff" + data[at + 1 :])
    for _ in range(2):
        flush_journals(tmp_path, set())
        assert counted() == {key: 1 for key in GOOD if key != "good 5"}
