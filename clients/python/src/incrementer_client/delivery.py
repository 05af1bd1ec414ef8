"""The way of an increment in one process: gathered, put into batches, sent. Two threads do it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from queue import Empty
from threading import Condition, Lock, RLock, main_thread

from incrementer_client.batch import Batch, batches
from incrementer_client.gathering import Gathering
from incrementer_client.outbox import MemoryOutbox, Outbox, log
from incrementer_client.roles import Roles
from incrementer_client.sending import Sender
from incrementer_client.settings import Settings
from incrementer_client.spool import Spool
from incrementer_client.stats import Stats

_LOOK_SECONDS = 10
"""How often the spool is looked through for what a process that is gone has left."""
_RETRY_SECONDS = 1
"""How long to wait until a batch for which there was no room is tried again, if nothing happens."""
_GRACE_SECONDS = 1
"""How long the threads may take to end once their time is over."""


class Delivery:
    """One process's: a forked child makes its own.

    1. `gathering` has a sum for each key.
    2. The gatherer takes them all after `interval_seconds`, or once a batch is full, makes batches
       of them and puts these into the outbox. Where that has no room it waits, and the gathering
       goes on.
    3. The sender sends the outbox's first batch until it is answered, then the next.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
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
        self.gathering = Gathering(max_keys=settings.max_keys, batch_keys=settings.batch_keys)
        self._changed = Condition()  # something was put into the outbox, or taken out, or all ends
        self._roles = Roles(self._changed, gatherer=self._gather, sender=self._send)
        self._put_increments = 0
        self._making = Lock()  # guards the next two
        self._batches: Iterator[Batch] = iter(())  # of what was taken, not made yet
        self._putting: Batch | None = None
        self._without_room: list[Batch] = []
        self._has_told = False
        self._is_ending = False
        self._is_all_in_batches = False
        self._deadline = float("inf")
        self._closing = RLock()
        self._is_closed = False

    def start(self) -> bool:
        """Start the threads; return whether they run now. Else another call may succeed."""
        try:
            return not self._is_ending and self._roles.start()
        except RuntimeError as error:
            if main_thread().is_alive():  # else the interpreter ends, and `close` does without
                self._tell_of_no_thread(error)
            return False

    def _tell_of_no_thread(self, error: RuntimeError) -> None:
        if not self._has_told:
            self._has_told = True
            log.warning("Increments stay in memory: no thread can be started: %s", error)

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
        self._take()
        while batch := self._next():
            if not self._put(batch):
                self._without_room.append(batch)
            self._putting = None
        self.gathering.let_go()
        if is_last:
            self._is_all_in_batches = True
            self._notify()

    def _take(self) -> None:
        """Take what has been gathered; what an interrupted `close` has left comes before it."""
        settings = self._settings
        with self._making:
            taken = batches(*self.gathering.take(), settings.batch_keys, settings.batch_bytes)
            self._batches = chain(self._batches, taken)

    def _next(self) -> Batch | None:
        with self._making:
            self._putting = self._putting or next(self._batches, None)
            return self._putting

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
            if self._roles.is_mine("sender"):
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
        """Send what is there, for so long at the most; return how many increments remain.

        Where it is interrupted, the next call goes on. A call of another thread waits for this one.
        """
        self._deadline = min(self._deadline, time.monotonic() + timeout_seconds)
        self.gathering.close()
        self._is_ending = True
        self._sender.end_by(self._deadline)
        self.gathering.signals.put(None)
        self._notify()
        with self._closing:
            if not self._is_closed:
                if self._roles.have_begun or self.gathering.increments:
                    self._finish()
                self._is_closed = True
        return self._queued()

    def _finish(self) -> None:
        self._roles.do_rest()
        if not self._roles.wait(lambda: self._deadline - time.monotonic()):
            self._sender.abort()
            self._roles.wait(lambda: self._deadline + _GRACE_SECONDS - time.monotonic())
        self._take()
        with self._making:
            self._without_room.extend(self._batches)
            putting = self._putting
        if putting is not None:
            log.error(
                "The disk is slow: the spool may have these or not: %s", putting.body.decode()
            )
        self._outbox.abandon(self._without_room)
        self._connection.close()

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
