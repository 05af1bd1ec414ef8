"""This process's buffer, with the threads that serve it."""

from __future__ import annotations

import os
from threading import Lock

from counters.buffer import Buffer
from counters.config import config
from counters.flusher import Flusher
from counters.syncer import Syncer


class Service:
    """A buffer, its syncer and its flusher: one of each per process."""

    def __init__(self) -> None:
        settings = config()
        self.sync_always = settings.journal_fsync == "always"
        self.buffer = Buffer(
            settings.journal_dir,
            max_pending_keys=settings.max_pending_keys,
            max_journal_bytes=settings.max_journal_bytes,
        )
        self.syncer = Syncer(self.buffer, settings.journal_fsync)
        self.flusher = Flusher(self.buffer, settings.journal_dir, settings.flush_interval)

    def start(self) -> None:
        self.syncer.start()
        self.flusher.start()

    def stop(self) -> None:
        self.syncer.stop()
        self.flusher.stop()


_service: Service | None = None
_lock = Lock()


def service() -> Service:
    """Return the service of this process; the first call starts it."""
    global _service
    if _service is None:
        with _lock:
            if _service is None:
                started = Service()
                started.start()
                _service = started
    return _service


def stop_service() -> None:
    """Flush and stop this process's service, if it runs."""
    global _service
    with _lock:
        stopped, _service = _service, None
        if stopped is not None:
            stopped.stop()


def _forget_service() -> None:
    """In a child: the threads stayed with the parent, and so do the journal and what is pending."""
    global _service, _lock
    if _service is not None and _service.buffer.journal is not None:
        _service.buffer.journal.close()
    _service, _lock = None, Lock()


os.register_at_fork(after_in_child=_forget_service)
