"""The recorder: this process's front door for increments."""

from __future__ import annotations

import atexit
import logging
import os
import time
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import RLock, local

from counters.buffer import Buffer
from counters.config import Config, config
from counters.flusher import Flusher
from counters.identified import Identified
from counters.identity import id_of_place
from counters.increments import Batch, Increment
from counters.journal import JournalUnwritable
from counters.locks import AnyLock, close_in_child
from counters.receipt import Receipt
from counters.state import State
from counters.syncer import Syncer

logger = logging.getLogger(__name__)

_FORK_WAIT_SECONDS = 30
"""How long a fork waits for a flush, which may wait for the database."""


class Recorder:
    """Records increments, and has them synced and flushed by two threads of its own.

    Safe to use from any number of threads.

    Attributes:
        waits_for_sync: whether what is recorded may be acknowledged only after a sync
            (`JOURNAL_FSYNC=always`).
    """

    def __init__(self, settings: Config) -> None:
        self.waits_for_sync = settings.journal_fsync == "always"
        self._flushes = not settings.is_test_run
        self._buffer = Buffer(
            settings.journal_dir,
            max_pending_keys=settings.max_pending_keys,
            max_pending_bytes=settings.max_pending_bytes,
            max_journal_bytes=settings.max_journal_bytes,
            totals_id=id_of_place(),
        )
        self._syncer = Syncer(self._buffer, settings.journal_fsync)
        self._flusher = Flusher(self._buffer, settings.journal_dir, settings.flush_interval_seconds)

    def start(self) -> None:
        self._syncer.start()
        if self._flushes:
            self._flusher.start()

    def stop(self) -> None:
        """Flush a last time. What cannot be flushed stays in the journal, for anyone to recover."""
        self._syncer.stop()
        if self._flushes:
            self._flusher.stop()
        else:
            self._buffer.close()

    def record(self, requests: Sequence[Increment | Batch | Identified]) -> Receipt:
        """Record requests with one write to the journal. Each counts as a whole or not at all.

        With `waits_for_sync`, they may be acknowledged only once `after_sync` or `wait_for_sync`
        says that the receipt is durable.

        Raises:
            JournalUnwritable: the journal cannot take them, and not one of them counts.
        """
        return self._buffer.record(requests)

    def after_sync(self, callback: Callable[[], object]) -> None:
        """Call `callback`, in another thread, after a sync that begins after this call.

        Whether it succeeded is known from `Receipt.is_durable`.
        """
        self._syncer.call_after_sync(callback)

    def wait_for_sync(self) -> None:
        """Return after a sync that begins after this call."""
        # Not an Event: an exception in the middle of its `wait` (a time limit) may leave the lock
        # in it held, and the syncer would wait for that.
        synced: SimpleQueue[None] = SimpleQueue()
        self.after_sync(lambda: synced.put(None))
        synced.get()

    def flush(self) -> None:
        """Flush what is pending, now. A failure is logged; nothing is lost by it."""
        self._flusher.flush()

    @property
    def locks(self) -> list[AnyLock]:
        """Whoever holds these knows that no flush and no write is under way."""
        return [*self._flusher.locks, *self._buffer.locks]

    @property
    def is_recording_here(self) -> bool:
        """Whether this very thread is recording: a signal handler has interrupted it."""
        return self._buffer.is_recording_here

    def state(self) -> State:
        """Return what is pending, and how flushing goes."""
        return State(self._buffer.state(), self._flusher.state())


_recorder: Recorder | None = None
_lock = RLock()
_forks = local()
"""`held`: the locks that this thread has to release after each of the forks that it is in."""


def recorder() -> Recorder:
    """Return the recorder of this process; the first call starts it.

    Raises:
        BadSetting: a setting cannot be used.
        JournalUnwritable: this very thread is starting or stopping it.
    """
    if _recorder is not None:
        return _recorder
    return _started()


def _started() -> Recorder:
    global _recorder
    if _lock._is_owned():  # type: ignore[attr-defined]
        # A signal handler or a `__del__` has called in the middle of this function or the next.
        raise JournalUnwritable("this thread starts or stops the counting just now")
    with _lock:
        if _recorder is None:
            started = Recorder(config())
            started.start()
            _recorder = started
        return _recorder


def stop_recorder() -> None:
    """Flush a last time and stop this process's recorder, if it runs."""
    global _recorder
    with _lock:
        stopped, _recorder = _recorder, None
        if stopped is not None:
            stopped.stop()


def _hold_for_fork() -> None:
    """Wait for what is under way, and let nothing begin.

    A child must not inherit a connection that is open: with SQLite, it would inherit the locks that
    the parent holds, believe them its own, and damage the database
    (https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_).
    Nor may it inherit a journal that is being made, whose lock it would keep.
    """
    held: list[AnyLock] = []
    if not hasattr(_forks, "held"):
        _forks.held = []
    _forks.held.append(held)
    until = time.monotonic() + _FORK_WAIT_SECONDS

    def hold(locks: Sequence[AnyLock]) -> bool:
        for lock in locks:
            if not lock.acquire(timeout=max(0.0, until - time.monotonic())):
                return False
            held.append(lock)
        return True

    is_held = hold([_lock])
    if running := _recorder:
        if running.is_recording_here:  # a flush may be waiting for that
            until = 0.0
        is_held = hold(running.locks) and is_held
    if not is_held:
        logger.warning(
            "A flush is under way while this process forks: the child must not use the database."
        )


def _go_on_in_parent() -> None:
    for lock in reversed(_forks.held.pop()):
        lock.release()


def _forget_in_child() -> None:
    """In a child: the threads stayed with the parent, and so do the journal and what is pending."""
    global _recorder, _lock
    _recorder, _lock = None, RLock()
    _forks.held.clear()
    close_in_child()


atexit.register(stop_recorder)
os.register_at_fork(
    before=_hold_for_fork, after_in_parent=_go_on_in_parent, after_in_child=_forget_in_child
)
