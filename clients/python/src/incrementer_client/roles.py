"""Threads that have a role each, though a signal handler may raise while they are started."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Condition, Thread, current_thread

_START_AGAIN_SECONDS = 1
"""How long after a start that failed another one is tried."""


class Roles:
    """Work that is done in a daemon thread for each, or in the end by whoever calls `do_rest`.

    A role is a thread's that takes it first: of two that were started for it, one ends at once.

    Args:
        changed: is notified when a role ends; `wait` asks again for its time when it is.
        work: what a role does, under its name.
    """

    def __init__(self, changed: Condition, **work: Callable[[], None]) -> None:
        self._changed = changed
        self._work = work
        self._threads: dict[str, Thread] = {}
        self._ended: set[str] = set()
        self._start_again_at = 0.0

    @property
    def have_begun(self) -> bool:
        return bool(self._threads)

    def start(self) -> bool:
        """Start the threads; return whether that is done. Else it may be called again.

        It waits for no lock, for it may be called by a signal handler in the middle of itself.

        Raises:
            RuntimeError: there are too many threads, or the interpreter ends.
        """
        now = time.monotonic()
        if now < self._start_again_at:
            return False
        self._start_again_at = now + _START_AGAIN_SECONDS
        for role in self._work:
            if role not in self._threads:
                name = f"incrementer-{role}"
                Thread(target=self._do, args=(role,), name=name, daemon=True).start()
        return True

    def is_mine(self, role: str) -> bool:
        return self._threads.get(role) is current_thread()

    def do_rest(self) -> None:
        """Do what no thread has begun to do."""
        for role in self._work:
            self._threads.setdefault(role, current_thread())
        for role in self._work:
            self._do(role)

    def _do(self, role: str) -> None:
        self._threads.setdefault(role, current_thread())
        if self.is_mine(role):
            try:
                self._work[role]()
            finally:
                with self._changed:
                    self._ended.add(role)
                    self._changed.notify_all()

    def wait(self, seconds_left: Callable[[], float]) -> bool:
        """Return whether all have ended in time. (An interrupted `join` takes them for ended.)"""
        with self._changed:
            while len(self._ended) < len(self._work):
                left = seconds_left()
                if left <= 0:
                    return False
                self._changed.wait(left)
        return True
