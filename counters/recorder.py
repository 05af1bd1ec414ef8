"""The recorder: this process's front door for increments."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from threading import Event, Lock

from counters.buffer import Buffer
from counters.config import Config, config
from counters.flusher import Flusher
from counters.identity import id_of_place
from counters.increments import Batch, Increment
from counters.locks import close_in_child
from counters.receipt import Receipt
from counters.state import State
from counters.syncer import Syncer


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

    def record(self, requests: Sequence[Increment | Batch]) -> Receipt:
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
        synced = Event()
        self.after_sync(synced.set)
        synced.wait()

    def flush(self) -> None:
        """Flush what is pending, now. A failure is logged; nothing is lost by it."""
        self._flusher.flush()

    def state(self) -> State:
        """Return what is pending, and how flushing goes."""
        return State(self._buffer.state(), self._flusher.state())


_recorder: Recorder | None = None
_lock = Lock()


def recorder() -> Recorder:
    """Return the recorder of this process; the first call starts it.

    Raises:
        BadSetting: a setting cannot be used.
    """
    if _recorder is not None:
        return _recorder
    return _started()


def _started() -> Recorder:
    global _recorder
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


def _forget_in_child() -> None:
    """In a child: the threads stayed with the parent, and so do the journal and what is pending."""
    global _recorder, _lock
    _recorder, _lock = None, Lock()
    close_in_child()


atexit.register(stop_recorder)
os.register_at_fork(after_in_child=_forget_in_child)
