"""The `.corrupt` files: copies of what is damaged in journals, for whoever wants to look at it."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from counters.files import sync_folder
from counters.journal import NAME_LENGTH, SUFFIX

_SUFFIX, _DRAFT_SUFFIX = ".corrupt", ".corrupt.draft"

_COPY_BYTES = 1024 * 1024

_is_draft_name = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}\.\d+-\d+\.corrupt\.draft").fullmatch


class NoRoom(Exception):
    """The `.corrupt` files of a folder hold as much as they may."""


def set_aside(
    file: BinaryIO, path: Path, begin: int, end: int, max_bytes: int
) -> tuple[Path, bool]:
    """Copy the bytes from `begin` to `end` of a journal to a `.corrupt` file.

    The name says which bytes they are, so that no other bytes are overwritten.

    Args:
        max_bytes: how much all `.corrupt` files of the folder may hold together.

    Returns:
        The copy's path, and whether it is new.

    Raises:
        NoRoom: they would hold more.
        OSError: the copy cannot be written.
    """
    copy = path.with_name(f"{path.stem}.{begin}-{end}{_SUFFIX}")
    if copy.exists():
        return copy, False
    draft = copy.with_suffix(_DRAFT_SUFFIX)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as target:
        # First the draft is as long as the copy, then all are added up: so two processes that do
        # this at once do not hold more together.
        os.ftruncate(fd, end - begin)
        if _held_bytes(path.parent) > max_bytes:
            draft.unlink()
            raise NoRoom
        file.seek(begin)
        left = end - begin
        while left and (data := file.read(min(left, _COPY_BYTES))):
            target.write(data)
            left -= len(data)
        target.flush()
        os.fsync(target.fileno())
    draft.rename(copy)
    sync_folder(copy.parent)
    return copy, True


def _held_bytes(folder: Path) -> int:
    """Return the length of all `.corrupt` files together, with those that are being made."""
    return sum(_length_bytes(path) for path in folder.glob(f"*{_SUFFIX}*"))


def _length_bytes(path: Path) -> int:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else 0


def remove_left_drafts(folder: Path) -> None:
    """Remove the unfinished copies that killed processes have left.

    Only who has a journal's lock copies from it. So a draft is nobody's once its journal is gone;
    until then, the next copy of the same bytes takes its place.
    """
    for draft in folder.glob(f"*{_DRAFT_SUFFIX}"):
        journal = draft.with_name(draft.name[:NAME_LENGTH] + SUFFIX)
        if not _is_draft_name(draft.name) or journal.exists():
            continue
        with suppress(FileNotFoundError):  # somebody else does the same just now
            if stat.S_ISREG(draft.lstat().st_mode):
                draft.unlink()
