"""Counters when their process forks and when it ends."""

from __future__ import annotations

import atexit
import os
import sys
from typing import Protocol


class _Living(Protocol):
    def begin_anew(self) -> None: ...
    def close(self) -> int: ...


_living: set[_Living] = set()
"""The counters of this process that are not closed."""


def watch(counter: _Living) -> None:
    """Close a counter when the process ends, and have it begin anew in a forked child."""
    _living.add(counter)


def unwatch(counter: _Living) -> None:
    _living.discard(counter)


def watch_in_child_of_multiprocessing() -> None:
    """In a child that `multiprocessing` has forked: it ends without calling what atexit has."""
    util = sys.modules.get("multiprocessing.util")
    parent = sys.modules.get("multiprocessing.process")
    if util is not None and parent is not None and parent.parent_process() is not None:
        util.Finalize(None, _close_all, exitpriority=0)


def _close_all() -> None:
    for counter in list(_living):
        counter.close()


def _begin_anew() -> None:
    for counter in list(_living):
        counter.begin_anew()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_begin_anew)
