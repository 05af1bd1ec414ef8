"""Which of the two is right, where the journal's file is damaged or memory cannot be trusted."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.db.transaction import set_rollback

from counters import own_journal, totals
from counters.buffer import Buffer
from counters.flusher import Flusher
from counters.identity import totals_ids
from counters.increments import Increment
from counters.journal import JournalUnwritable
from counters.models import Number
from counters.recovery import flush_journals, recover_journals
from counters.resetting import reset

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def buffer(tmp_path: Path) -> Iterator[Buffer]:
    buffer = Buffer(
        tmp_path, max_pending_keys=1000, max_pending_bytes=2**30, max_journal_bytes=2**30
    )
    yield buffer
    buffer.close()


@pytest.fixture
def flusher(buffer: Buffer, tmp_path: Path) -> Flusher:
    """A flusher that flushes when it is told to."""
    return Flusher(buffer, tmp_path, interval_seconds=3600)


def counted() -> dict[str, int]:
    return dict(Number.objects.values_list("key", "value"))


def overwrite(path: Path, begin: int, end: int) -> None:
    with path.open("r+b") as file:
        file.seek(begin)
        file.write(b"\xff" * (end - begin))


@pytest.mark.parametrize("moved_by", [flush_journals, reset])
def test_damage_on_both_sides_of_the_position_counts_nothing_twice(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, moved_by: Callable[..., Any]
) -> None:
    """It may cost the records that it hits, but it brings nothing back."""
    for number in range(10):
        receipt = buffer.record([Increment(f"before {number}", 1)])
    middle = receipt.end
    moved_by(tmp_path, set()) if moved_by is flush_journals else moved_by(tmp_path)
    for number in range(10):
        receipt = buffer.record([Increment(f"after {number}", 1)])
    assert receipt.journal is not None
    overwrite(receipt.journal.path, middle - 100, middle + 100)
    flusher.flush()
    before = {f"before {number}": 1 for number in range(10)} if moved_by is flush_journals else {}
    after = {f"after {number}": 1 for number in range(10)}
    found = counted()
    assert found.items() <= (before | after).items()
    assert before.items() <= found.items()
    assert len(found) >= len(before | after) - 4


@pytest.mark.parametrize("rotates", [False, True])
def test_a_damaged_file_costs_nothing_while_its_process_lives_though_a_flush_fails(
    buffer: Buffer, flusher: Flusher, monkeypatch: pytest.MonkeyPatch, rotates: bool
) -> None:
    buffer.record([Increment("a", 1)])
    flusher.flush()
    begin = buffer.record([Increment("b", 1)]).end
    receipt = buffer.record([Increment("c", 1)])
    assert receipt.journal is not None
    overwrite(receipt.journal.path, begin + 30, begin + 31)
    if rotates:
        monkeypatch.setattr(own_journal, "_ROTATION_BYTES", 0)
    add = totals.add_to_totals

    def fail_once(*_: Any) -> None:
        monkeypatch.setattr(totals, "add_to_totals", add)
        raise OperationalError("once")

    monkeypatch.setattr(totals, "add_to_totals", fail_once)
    flusher.flush()
    assert counted() == {"a": 1}
    buffer.record([Increment("d", 1)])
    flusher.flush()
    assert counted() == {"a": 1, "b": 1, "c": 1, "d": 1}


@pytest.mark.parametrize("lives", [True, False])
def test_a_record_that_is_torn_in_a_copy_counts_from_the_original(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, lives: bool
) -> None:
    """A disk may be cloned while a record is being written."""
    begin = buffer.record([Increment("first", 1)]).end
    receipt = buffer.record([Increment("torn in the copy", 1)])
    assert receipt.journal is not None
    clone = tmp_path / "clone" / receipt.journal.path.name
    clone.parent.mkdir()
    clone.write_bytes(receipt.journal.path.read_bytes()[: (begin + receipt.end) // 2])
    recover_journals(clone.parent, totals_ids().accepted, set())
    assert counted() == {"first": 1}
    buffer.record([Increment("last", 1)])
    if not lives:
        buffer.close()
    flusher.flush()
    assert counted() == {"first": 1, "torn in the copy": 1, "last": 1}


@pytest.mark.parametrize("copied_bytes", [1, 5, 12, 20])
def test_a_record_that_is_torn_behind_damage_in_a_copy_counts_from_the_original(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, copied_bytes: int
) -> None:
    begin = buffer.record([Increment("damaged", 1)]).end
    receipt = buffer.record([Increment("torn in the copy", 1)])
    assert receipt.journal is not None
    overwrite(receipt.journal.path, begin - 3, begin)
    clone = tmp_path / "clone" / receipt.journal.path.name
    clone.parent.mkdir()
    clone.write_bytes(receipt.journal.path.read_bytes()[: begin + copied_bytes])
    recover_journals(clone.parent, totals_ids().accepted, set())
    flusher.flush()
    assert counted() == {"torn in the copy": 1}


class TimeLimit(BaseException):
    """What a signal handler may raise, as task queues do."""


def test_an_increment_that_is_interrupted_changes_no_other(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write

    def write_slowly(fd: int, data: bytes) -> int:
        written = write(fd, data)
        os.kill(os.getpid(), signal.SIGUSR1)  # it arrives while the disk is slow
        return written

    def interrupt(*_: object) -> None:
        raise TimeLimit

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        for _ in range(3):
            buffer.record([Increment("a", 1)])
            with monkeypatch.context() as patch:
                patch.setattr(os, "write", write_slowly)
                with pytest.raises(TimeLimit):
                    buffer.record([Increment("interrupted", 1)])
            buffer.record([Increment("a", 1)])
            flusher.flush()
    finally:
        signal.signal(signal.SIGUSR1, before)
    buffer.record([Increment("a", 1)])
    buffer.close()  # what has not been flushed comes from the files, after their positions
    recover_journals(tmp_path, totals_ids().accepted, set())
    found = counted()
    assert found.pop("interrupted", 0) <= 3
    assert found == {"a": 7}


def test_a_journal_that_was_left_is_put_back_too(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(fd: int, data: bytes) -> int:
        raise TimeLimit

    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", interrupt)
        with pytest.raises(TimeLimit):
            buffer.record([Increment("interrupted", 1)])
    buffer.record([Increment("a", 1)])
    journal.path.unlink()
    flusher.flush()
    assert counted() == {"a": 2}


def test_a_journal_in_trouble_is_not_let_go_before_it_is_put_back(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.EIO, "EIO")

    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", fail)
        buffer.sync()
    journal.path.unlink()
    draft = journal.path.with_suffix(".draft")
    draft.mkdir()
    flusher.flush()
    draft.rmdir()
    flusher.flush()
    assert counted() == {"a": 1}


def test_an_increment_within_an_increment_is_refused_and_nothing_stands_still(
    buffer: Buffer, flusher: Flusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal handler or a `__del__` may count at any moment, in the same thread."""
    write = os.write
    refused = []

    def count_within(fd: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(JournalUnwritable, match="another increment"):
            buffer.record([Increment("within", 1)])
        refused.append(True)
        return write(fd, data)

    buffer.record([Increment("a", 1)])
    monkeypatch.setattr(os, "write", count_within)
    buffer.record([Increment("a", 1)])
    buffer.record([Increment("a", 1)])
    flusher.flush()
    assert refused
    assert counted() == {"a": 3}


def test_a_reset_beside_a_short_write_that_is_undone_takes_nothing_of_what_comes_after(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, ftruncate = os.write, os.ftruncate
    buffer.record([Increment("before", 1)])

    def write_short(fd: int, data: bytes) -> int:
        return write(fd, data[: len(data) // 2])

    def reset_and_truncate(fd: int, size: int) -> None:
        reset(tmp_path)
        ftruncate(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_short)
        patch.setattr(os, "ftruncate", reset_and_truncate)
        with pytest.raises(JournalUnwritable):
            buffer.record([Increment("refused " * 30, 1)])
    for number in range(20):
        buffer.record([Increment(f"after {number}", 1)])
    buffer.close()
    recover_journals(tmp_path, totals_ids().accepted, set())
    assert counted() == {f"after {number}": 1 for number in range(20)}


def refuse_once(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """Have the database refuse the next deltas, after `meanwhile`."""
    add = totals.add_to_totals

    def fail_once(*_: Any) -> None:
        monkeypatch.setattr(totals, "add_to_totals", add)
        meanwhile()
        raise OperationalError("once")

    monkeypatch.setattr(totals, "add_to_totals", fail_once)


@pytest.mark.parametrize("when", ["in the flush", "after it", "before the end"])
def test_a_replaced_journal_is_put_back_until_it_is_flushed(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    buffer.record([Increment("a", 1)])
    flusher.flush()
    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    monkeypatch.setattr(own_journal, "_ROTATION_BYTES", 0)

    def remove() -> None:
        journal.path.unlink()
        buffer.sync()  # as the syncer does beside the flush
        assert journal.path.exists()

    refuse_once(monkeypatch, remove if when == "in the flush" else lambda: None)
    flusher.flush()
    if when == "after it":
        remove()
    elif when == "before the end":
        journal.path.unlink()
    buffer.close()
    recover_journals(tmp_path, totals_ids().accepted, set())
    assert counted() == {"a": 2}


def test_a_replaced_journal_is_not_let_go_before_it_is_put_back(
    buffer: Buffer, flusher: Flusher, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer.record([Increment("a", 1)])
    flusher.flush()
    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    monkeypatch.setattr(own_journal, "_ROTATION_BYTES", 0)
    refuse_once(monkeypatch, lambda: None)
    flusher.flush()
    journal.path.unlink()
    draft = journal.path.with_suffix(".draft")
    draft.mkdir()
    buffer.close()
    draft.rmdir()
    flusher.flush()
    assert counted() == {"a": 2}


@pytest.mark.parametrize("removed_too", [False, True])
@pytest.mark.parametrize("cut_at", ["start", "header", "record", "within a record"])
def test_a_file_that_is_cut_while_its_process_lives_costs_nothing(
    buffer: Buffer, flusher: Flusher, tmp_path: Path, cut_at: str, removed_too: bool
) -> None:
    """What it held counts from memory, and what comes after outlives its process."""
    buffer.record([Increment("flushed", 1)])
    flusher.flush()
    begin = buffer.record([Increment("a", 1)]).end
    receipt = buffer.record([Increment("b", 1)])
    assert receipt.journal is not None
    ends = {"start": 0, "header": 7, "record": begin, "within a record": begin + 9}
    os.truncate(receipt.journal.path, ends[cut_at])
    if cut_at == "start":
        buffer.record([Increment("c", 1)])  # before anybody has noticed
    if removed_too:
        receipt.journal.path.unlink()
    buffer.sync()
    buffer.record([Increment("d", 1)])
    late = {"c": 1, "d": 1} if cut_at == "start" else {"d": 1}

    copy = tmp_path / "copy" / receipt.journal.path.name  # as a kill would leave it now
    copy.parent.mkdir()
    copy.write_bytes(receipt.journal.path.read_bytes())
    with totals.transaction():
        recover_journals(copy.parent, totals_ids().accepted, set())
        whole = {"flushed": 1, "a": 1} if "record" in cut_at else {"flushed": 1}
        assert counted() == whole | late
        set_rollback(True)

    flusher.flush()
    assert counted() == {"flushed": 1, "a": 1, "b": 1} | late
    buffer.record([Increment("e", 1)])
    buffer.close()
    recover_journals(tmp_path, totals_ids().accepted, set())
    assert counted() == {"flushed": 1, "a": 1, "b": 1, "e": 1} | late
    assert not list(tmp_path.glob("*.journal"))
