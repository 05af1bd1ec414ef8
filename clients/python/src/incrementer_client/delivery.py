"""The way of an increment in one process: gathered, put into batches, sent. Two threads do it."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty
from threading import Condition, Thread

from incrementer_client.batch import Batch, batches
from incrementer_client.gathering import Gathering
from incrementer_client.outbox import MemoryOutbox, Outbox, log
from incrementer_client.sending import Sender
from incrementer_client.settings import Settings
from incrementer_client.spool import Spool
from incrementer_client.stats import Stats

_LOOK_SECONDS = 10
"""How often the spool is looked through for what a process that is gone has left."""
_RETRY_SECONDS = 1
"""How long to wait until a batch for which there was no room is tried again, if nothing happens."""
_GRACE_SECONDS = 1
"""How long a thread may take to end once its time is over."""


class Delivery:
    """One process's: a forked child makes its own.

    1. `gathering` has a sum for each key.
    2. The gatherer takes them all after `interval_seconds`, or once a batch is full, makes batches
       of them and puts these into the outbox. Where that has no room it waits, and the gathering
       goes on.
    3. The sender sends the outbox's first batch until it is answered, then the next.
    """

    def __init__(self, settings: Settings, on_start: Callable[[], None]) -> None:
        self._settings = settings
        self._on_start = on_start
        self._has_spool = settings.spool is not None
        self._outbox: Outbox = MemoryOutbox()
        if settings.spool is not None:
            self._outbox = Spool(settings.spool, settings.max_spool_bytes)
        self._connection = settings.new_connection()
        self._sender = Sender(
            self._outbox,
            self._connection,
            timeout_seconds=settings.timeout_seconds,
            max_pause_seconds=settings.max_pause_seconds,
        )
        self.gathering = Gathering(
            max_keys=settings.max_keys, batch_keys=settings.batch_keys, on_first=self._start
        )
        self._threads: list[Thread] = []
        self._changed = Condition()  # something was put into the outbox, or taken out, or all ends
        self._put_increments = 0
        self._without_room: list[Batch] = []
        self._is_ending = False
        self._is_all_in_batches = False
        self._deadline = float("inf")

    def _start(self) -> None:
        """Start the threads, if they do not run."""
        if self._threads or self._is_ending:
            return
        targets = {"gatherer": self._gather, "sender": self._send}
        self._threads = [
            Thread(target=target, name=f"incrementer-{name}", daemon=True)
            for name, target in targets.items()
        ]
        try:
            for thread in self._threads:
                thread.start()
        except RuntimeError:  # the interpreter ends; `close` comes, and does without
            self._threads = []
        self._on_start()

    # The gatherer

    def _gather(self) -> None:
        while not self._is_all_in_batches:
            self._wait_until_due()
            self._put_all()

    def _wait_until_due(self) -> None:
        signals = self.gathering.signals
        signals.get()
        due = time.monotonic() + self._settings.interval_seconds
        while not self._is_ending and not self.gathering.is_batch_full():
            try:
                signals.get(timeout=max(0.0, due - time.monotonic()))
            except Empty:
                return

    def _put_all(self) -> None:
        is_last = self._is_ending  # asked for before `take`: nothing can come after that one
        sums, increments = self.gathering.take()
        settings = self._settings
        for batch in batches(sums, increments, settings.batch_keys, settings.batch_bytes):
            if not self._put(batch):
                self._without_room.append(batch)
        self.gathering.let_go()
        if is_last:
            self._is_all_in_batches = True
            self._notify()

    def _put(self, batch: Batch) -> bool:
        """Put a batch into the outbox once it has room; return whether it had before the end."""
        while True:
            if self._outbox.put(batch):
                self._put_increments += batch.increments
                self._notify()
                return True
            left = self._deadline - time.monotonic()
            if left <= 0:
                return False
            if not self._threads:
                self._sender.try_first()
                continue
            with self._changed:
                self._changed.wait(min(left, _RETRY_SECONDS))

    # The sender

    def _send(self) -> None:
        looked_at = -float(_LOOK_SECONDS)
        while True:
            try:
                if time.monotonic() - looked_at >= _LOOK_SECONDS:
                    looked_at = time.monotonic()
                    self._outbox.look_around()
                if self._sender.try_first():
                    self._notify()
                    continue
                with self._changed:
                    has_more = self._outbox.first() is not None
                    if time.monotonic() >= self._deadline:
                        return
                    if not has_more:
                        if self._is_all_in_batches:
                            return
                        self._changed.wait(_LOOK_SECONDS if self._has_spool else None)
            except Exception:
                log.exception("The sender goes on")
                time.sleep(_RETRY_SECONDS)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()

    # For the counter

    def close(self, timeout_seconds: float) -> int:
        """Send what is there, for so long at the most; return how many increments remain."""
        if not self._is_ending:
            self._deadline = time.monotonic() + timeout_seconds
            self.gathering.close()
            self._is_ending = True
            self._sender.end_by(self._deadline)
            self.gathering.signals.put(None)
            self._notify()
            if self._threads:
                self._join()
            elif self.gathering.increments:
                self._put_all()
                self._send()
            if self.gathering.increments and not self._is_all_in_batches:
                log.error("Some of %d increments could not be kept in time", self._queued())
            self._outbox.abandon(self._without_room)
            self._connection.close()
        return self._queued()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(max(0.0, self._deadline - time.monotonic()))
        self._notify()
        for thread in self._threads:
            if thread.is_alive():
                self._sender.abort()
                thread.join(_GRACE_SECONDS)

    def _queued(self) -> int:
        return self.gathering.increments - self._put_increments + self._outbox.waiting()

    def stats(self) -> Stats:
        sent = self._sender.sent
        return Stats(
            queued=self._queued(),
            sent=sent.increments,
            refused=sent.refused_increments,
            sent_batches=sent.batches,
            retried=sent.retries,
            spool_bytes=self._outbox.used_bytes(),
        )
