"""Locks on open files, which the kernel drops when their process is gone, however it went."""

from __future__ import annotations

import fcntl
import os

_locked: set[int] = set()
"""File descriptors of this process that hold an flock."""


def lock(fd: int) -> bool:
    """Lock an open file; return whether it was free. `unlock` has to come before it is closed."""
    _locked.add(fd)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock(fd: int) -> None:
    """Let go of the lock of an open file, if it was locked."""
    _locked.discard(fd)
    fcntl.flock(fd, fcntl.LOCK_UN)


def close_in_child() -> None:
    """In a child, after a fork: let go of the parent's locks.

    An flock belongs to the open file, which parent and child share. As long as the child keeps it
    open, nobody can recover the journal of a parent that is gone.
    """
    while _locked:
        os.close(_locked.pop())
