"""Locks on open files, which the kernel drops when their process is gone, however it went."""

from __future__ import annotations

import fcntl
import os
import time
from typing import Protocol


class AnyLock(Protocol):
    """A lock of threads, of whatever kind."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...


_own: set[int] = set()
"""File descriptors that are this process's alone: those that hold an flock, and others."""
_LOOKS = 100
"""How many looks of others `lock` waits for: there are as many as processes, at the most."""
_LOOK_SECONDS = 0.001
"""More than one look takes."""


def lock(fd: int) -> bool:
    """Lock an open file; return whether it was free. `unlock` has to come before it is closed."""
    _own.add(fd)
    for _ in range(_LOOKS):
        if _try(fd, fcntl.LOCK_EX):
            return True
        # Who owns a file holds an exclusive lock. Who only looks (`is_owned`) holds a shared one
        # for an instant: a file that is merely looked at must not be taken for one that is owned.
        if not _try(fd, fcntl.LOCK_SH):
            return False
        fcntl.flock(fd, fcntl.LOCK_UN)
        time.sleep(_LOOK_SECONDS)
    return False


def is_owned(fd: int) -> bool:
    """Return whether somebody has locked an open file; nobody's `lock` fails because of this."""
    _own.add(fd)
    is_free = _try(fd, fcntl.LOCK_SH)
    unlock(fd)
    return not is_free


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """Let go of the lock of an open file, if it was locked."""
    _own.discard(fd)
    fcntl.flock(fd, fcntl.LOCK_UN)


def keep_from_children(fd: int) -> None:
    """Have a forked child close an open file; `close` has to be called for it here."""
    _own.add(fd)


def close(fd: int) -> None:
    """Close a file that is kept from children."""
    _own.discard(fd)
    os.close(fd)


def close_in_child() -> None:
    """In a child, after a fork: let go of the parent's locks, and of what else is its alone.

    An flock belongs to the open file, which parent and child share. As long as the child keeps it
    open, nobody can recover the journal of a parent that is gone.
    """
    while _own:
        os.close(_own.pop())
