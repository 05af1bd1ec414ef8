"""Counters when their process forks and when it ends."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress
from typing import Protocol

from incrementer_client import owned_folder
from incrementer_client.outbox import log


class _Living(Protocol):
    def begin_anew(self) -> None: ...
    def close(self, timeout_seconds: float | None = None) -> int: ...


_living: set[_Living] = set()
"""The counters of this process that are not closed."""
_pid = os.getpid()


def watch(counter: _Living) -> None:
    """Close a counter when the process ends, and have it begin anew in a forked child."""
    _living.add(counter)


def unwatch(counter: _Living) -> None:
    _living.discard(counter)


def _close_all() -> None:
    seconds = None
    for counter in 2 * list(_living):
        if counter in _living:  # for the second time, where it was interrupted
            try:
                counter.close(seconds)
            except BaseException as error:  # Ctrl-C, most likely: whoever is left has no more time
                seconds = 0.0
                log.error("The end of the process is cut short: %r", error)


def _begin_anew() -> None:
    """Forget, in a forked child, what is the parent's."""
    global _pid
    if os.getpid() == _pid:  # uWSGI may call both Python's hooks and its own
        return
    _pid = os.getpid()
    owned_folder.let_go_of_parents_locks()
    for counter in list(_living):
        counter.begin_anew()
    _close_at_the_end_of_multiprocessing()


def _close_at_the_end_of_multiprocessing() -> None:
    """Close all when a child of `multiprocessing` ends: most of them skip what atexit has."""
    util = sys.modules.get("multiprocessing.util")
    process = sys.modules.get("multiprocessing.process")
    if util is None or process is None:
        return
    util.register_after_fork(_living, _finalize)  # a child forgets its finalizers, and calls this
    if process.parent_process() is not None:  # this one has done so already
        _finalize()


def _finalize(_: object = None) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, _close_after_threads, exitpriority=0)


def _close_after_threads() -> None:
    """Close all once the child's other threads have ended, which it waits for after this.

    Python 3.13.0 takes a forked child's main thread for ended, and waits for none.
    """
    if threading.main_thread().is_alive():
        with suppress(RuntimeError):  # there are too many threads
            threading.Thread(target=_join_and_close, name="incrementer-end").start()
            return
    _close_all()


def _join_and_close() -> None:
    mine = (threading.main_thread(), threading.current_thread())
    while others := [t for t in threading.enumerate() if not t.daemon and t not in mine]:
        others[0].join()
    _close_all()


atexit.register(_close_all)
os.register_at_fork(after_in_child=_begin_anew)
if "uwsgi" in sys.modules:  # it forks in C, and calls hooks of its own
    from uwsgidecorators import postfork  # type: ignore[import-untyped,unused-ignore]

    postfork(_begin_anew)
_close_at_the_end_of_multiprocessing()
