"""A journal's position is deleted only when no power cut can bring the journal back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from counters import totals
from counters.records import Header
from counters.recovery import recover_journals


@pytest.mark.django_db
def test_rename_left_by_another_process_is_on_disk_before_the_position_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "0123456789abcdef" * 2
    (tmp_path / f"{name}.done").write_bytes(Header().encode())
    steps = []
    fsync, forget = os.fsync, totals.forget_position

    def noted_fsync(fd: int) -> None:
        steps.append(f"sync {os.readlink(f'/proc/self/fd/{fd}')}")
        fsync(fd)

    def noted_forget(journal: str) -> None:
        steps.append(f"forget {journal}")
        forget(journal)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(totals, "forget_position", noted_forget)
    recover_journals(tmp_path, set())
    assert steps == [f"sync {tmp_path}", f"forget {name}"]
    assert not list(tmp_path.iterdir())
