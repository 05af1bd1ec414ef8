"""The syncer: the thread that forces the journal to disk, as often as `JOURNAL_FSYNC` says."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from counters.buffer import Buffer

logger = logging.getLogger(__name__)

_EVERYSEC_SECONDS = 1.0


class Syncer:
    """Syncs a buffer's journal once a second, or whenever somebody waits for it.

    One sync covers every increment recorded before it began, however many wait for it.
    """

    def __init__(self, buffer: Buffer, policy: str) -> None:
        self._buffer = buffer
        self._policy = policy
        # A caller may be interrupted by an exception at any instant (a time limit, Ctrl-C). Then
        # nothing may be left half done that others wait for: `put` of this queue is all or nothing.
        self._waiting: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._stopping = False
        self._thread = Thread(target=self._run, name="syncer", daemon=True)

    def start(self) -> None:
        if self._policy != "never":
            self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._waiting.put(lambda: None)
        if self._thread.is_alive():
            self._thread.join()

    def call_after_sync(self, callback: Callable[[], object]) -> None:
        """Call `callback`, in the syncer's thread, after a sync that begins after this call."""
        self._waiting.put(callback)

    def _run(self) -> None:
        timeout_seconds = _EVERYSEC_SECONDS if self._policy == "everysec" else None
        stopping = False
        while not stopping:
            callbacks: list[Callable[[], object]] = []
            with suppress(Empty):
                callbacks.append(self._waiting.get(timeout=timeout_seconds))
            stopping = self._stopping  # read before the last sync, which so serves all who wait
            with suppress(Empty):
                while True:
                    callbacks.append(self._waiting.get_nowait())
            try:
                self._buffer.sync()
            except Exception:  # whatever it is, this thread has to go on: replies wait for it
                logger.exception("The sync failed.")
            for callback in callbacks:
                callback()
