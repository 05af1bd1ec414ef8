"""A folder in a spool with one living owner, who holds an flock on the file `lock` in it.

The kernel drops the lock when the owner is gone, however it went.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from incrementer_client.uuid7 import uuid7

_LOCK_NAME = "lock"
_PREFIX = "owner-"

_open_fds: set[int] = set()
_opening = Lock()
"""Held while a lock's file is open and not in `_open_fds`: a fork waits for it."""


class OwnedFolder:
    """A folder whose lock this process holds."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self._fd = fd

    def give_up(self) -> None:
        """Let others take it over; if nothing is in it, remove it."""
        if self._fd not in _open_fds:  # a parent's
            return
        with suppress(OSError):
            if [each.name for each in os.scandir(self.path)] == [_LOCK_NAME]:
                (self.path / _LOCK_NAME).unlink()
                self.path.rmdir()
        with _opening:
            _open_fds.discard(self._fd)
            os.close(self._fd)


def make_owned_folder(spool: Path) -> OwnedFolder:
    """Make a new folder in `spool` and own it.

    Raises:
        OSError: it cannot be made.
    """
    if not spool.is_dir():
        spool.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync_folder(spool.parent)
    while True:
        path = spool / f"{_PREFIX}{uuid7()}"
        path.mkdir(mode=0o700)
        try:
            sync_folder(spool)
            folder = _lock(path)
        except OSError:  # there are no locks here, or too many files are open
            with suppress(OSError):
                (path / _LOCK_NAME).unlink(missing_ok=True)
                path.rmdir()
            raise
        if folder is not None:
            return folder
        # Somebody has taken it over already, and removes it.


def take_over(spool: Path) -> Iterator[OwnedFolder]:
    """Yield the folders in `spool` that have no living owner; they are this process's then."""
    paths: list[Path] = []
    with suppress(OSError):  # too many files are open
        paths = sorted(spool.glob(f"{_PREFIX}*"))
    for path in paths:
        with suppress(OSError):  # its owner removes it just now
            if folder := _lock(path):
                yield folder


def _lock(path: Path) -> OwnedFolder | None:
    """Lock a folder; None where another process has it, or is removing it.

    Raises:
        OSError: it cannot be locked.
    """
    lock = path / _LOCK_NAME
    with _opening:
        try:
            fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one who held it may have removed it, with its folder, before letting go.
            is_there = os.path.samestat(lock.stat(), os.fstat(fd))
        except (BlockingIOError, FileNotFoundError):
            is_there = False
        except OSError:
            os.close(fd)
            raise
        if not is_there:
            os.close(fd)
            return None
        _open_fds.add(fd)
    return OwnedFolder(path, fd)


def sync_folder(path: Path) -> None:
    """Have what was made, renamed and removed in a folder outlive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def let_go_of_parents_locks() -> None:
    """Close, in a forked child, what it would hold on to when the parent dies."""
    global _opening
    _opening = Lock()  # the parent's may be held, and uWSGI forks without `before`
    while _open_fds:
        os.close(_open_fds.pop())


os.register_at_fork(
    before=lambda: _opening.acquire(),
    after_in_parent=lambda: _opening.release(),
)
