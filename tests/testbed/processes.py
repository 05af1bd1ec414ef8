"""Processes: who is in a group, what they hold, and signals to them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from contextlib import suppress

import psutil


def group_members(group: int) -> list[int]:
    """Return the process IDs of a process group's members, without those that have ended."""
    members = []
    for pid in psutil.pids():
        with suppress(OSError, psutil.Error):
            if os.getpgid(pid) == group and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                members.append(pid)
    return members


def signal_all(pids: Iterable[int], signal_: signal.Signals) -> None:
    """Send a signal to those that still exist."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal_)


def has_open(pid: int, suffix: str) -> bool:
    """Whether a process has a file open whose name ends with `suffix`."""
    with suppress(psutil.Error):
        return any(file.path.endswith(suffix) for file in psutil.Process(pid).open_files())
    return False


def largest_memory_bytes(pids: Iterable[int]) -> int:
    """Return the resident memory of the process that has most."""
    return max(int(psutil.Process(pid).memory_info().rss) for pid in pids)
