"""The buffer: everything in a record counts, or nothing in it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counters.buffer import Buffer
from counters.increments import Increment
from counters.journal import JournalUnwritable
from counters.models import Number
from counters.pending import Pending
from counters.recovery import flush_journals


@pytest.mark.django_db
def test_nobody_reads_a_part_of_a_write_that_was_cut_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = Buffer(
        tmp_path, max_pending_keys=10, max_pending_bytes=2**30, max_journal_bytes=1024**2
    )
    journal = buffer.record([Increment("a", 1)]).journal
    assert journal is not None
    write, ftruncate = os.write, os.ftruncate

    def write_short(fd: int, data: bytes) -> int:
        return write(fd, data[:-1] if fd == journal.fd else data)

    def flush_and_truncate(fd: int, size: int) -> None:
        flush_journals(tmp_path, set())  # as flushnumbers may at just this moment
        ftruncate(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_short)
        patch.setattr(os, "ftruncate", flush_and_truncate)
        with pytest.raises(JournalUnwritable):
            buffer.record([Increment("refused", 1)] * 3)
    buffer.record([Increment("a", 1)])
    flush_journals(tmp_path, set())
    assert dict(Number.objects.values_list("key", "value")) == {"a": 2}
    buffer.close()


def flush(buffer: Buffer) -> Pending:
    found = buffer.flushed_until()
    assert found is not None
    pending = buffer.take(found[0])
    assert pending is not None
    buffer.flushed(pending)
    return pending


def test_of_a_replaced_journal_what_is_not_flushed_takes_room(tmp_path: Path) -> None:
    buffer = Buffer(tmp_path, max_pending_keys=10, max_pending_bytes=2**30, max_journal_bytes=300)
    buffer.record([Increment("a", 1)] * 50)
    journal = flush(buffer).journal
    buffer.record([Increment("a", 1)])
    pending = buffer.take(journal)
    assert pending is not None
    assert pending.is_last
    buffer.give_back(pending)
    buffer.leave_room_for(0)
    buffer.record([Increment("a", 1)] * 50)
    with pytest.raises(JournalUnwritable):
        buffer.record([Increment("a", 1)])
    buffer.close()


def test_what_is_flushed_of_a_journal_leaves_room_within_the_limit(tmp_path: Path) -> None:
    """Should its process be killed, the others have room left."""
    limit_bytes = 10_000
    buffer = Buffer(
        tmp_path, max_pending_keys=10, max_pending_bytes=2**30, max_journal_bytes=limit_bytes
    )
    for _ in range(100):
        buffer.record([Increment("a", 1)] * 50)
        flush(buffer)
        found = buffer.flushed_until()
        assert found is not None
        assert found[0].end < limit_bytes / 2
    buffer.close()
