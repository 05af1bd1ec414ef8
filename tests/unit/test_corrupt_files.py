"""Copies of damaged bytes, where several processes look after them at once."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import pytest

from counters.corrupt_files import remove_left_drafts


def test_a_draft_that_somebody_else_removes_first_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = [tmp_path / f"{uuid4().hex}.100-200.corrupt.draft" for _ in range(2)]
    for draft in drafts:
        draft.write_bytes(b"figures")
    lstat = Path.lstat

    def remove_first(path: Path) -> os.stat_result:
        if path == drafts[0]:
            path.unlink(missing_ok=True)
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", remove_first)
    remove_left_drafts(tmp_path)
    assert not any(os.scandir(tmp_path))
