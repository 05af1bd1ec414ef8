"""The buffer: all of a write counts, or nothing of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counters.buffer import Buffer
from counters.flush import flush_journal
from counters.journal import JournalUnwritable
from counters.models import Number


def add_in_group(buffer: Buffer, *keys: str) -> None:
    with buffer.group():
        for key in keys:
            buffer.add(key, 1)


@pytest.mark.django_db
def test_of_a_write_cut_short_nobody_reads_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = Buffer(tmp_path, max_pending_keys=10, max_journal_bytes=1024**2)
    buffer.add("a", 1)
    assert buffer.journal is not None
    journal = buffer.journal
    write, ftruncate = os.write, os.ftruncate

    def write_short(fd: int, data: bytes) -> int:
        return write(fd, data[:-1] if fd == journal.fd else data)

    def flush_and_truncate(fd: int, size: int) -> None:
        flush_journal(journal.path)  # as flushnumbers may at just this moment
        ftruncate(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_short)
        patch.setattr(os, "ftruncate", flush_and_truncate)
        with pytest.raises(JournalUnwritable):
            add_in_group(buffer, "refused", "refused", "refused")
    buffer.add("a", 1)
    flush_journal(journal.path)
    assert dict(Number.objects.values_list("key", "value")) == {"a": 2}
    buffer.close()
