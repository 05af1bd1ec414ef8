"""The flusher: the thread that brings a process's increments into the database."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from threading import Event, Lock, Thread

from django.db import DatabaseError, connection, transaction

from counters import totals
from counters.buffer import Buffer, Pending
from counters.flush import recover_journals, retire_journal, set_aside
from counters.journal import read_tail

logger = logging.getLogger(__name__)

_LONGEST_PAUSE = 30.0
"""Seconds between two tries, at the most, while flushes fail."""


class Flusher:
    """Flushes a buffer every `interval` seconds, and the journals of processes that are gone.

    Attributes:
        began: when the flush under way began (`time.monotonic()`); None between two.
        last_success: when a flush last succeeded (`time.monotonic()`), or the flusher was made.
        failures: how many flushes have failed since.
        last_error: what the last one that failed said; empty while flushes succeed.
    """

    def __init__(self, buffer: Buffer, folder: Path, interval: float) -> None:
        self._buffer = buffer
        self._folder = folder
        self._interval = interval
        self._unreadable: set[Path] = set()
        self._one_at_a_time = Lock()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="flusher", daemon=True)
        self.began: float | None = None
        self.last_success = time.monotonic()
        self.failures = 0
        self.last_error = ""

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Flush a last time and let go of the journal. What cannot be flushed stays in it."""
        self._stopping.set()
        self._thread.join()
        self.flush()
        self._buffer.close()
        if not self.failures:
            self.flush()  # now as the journal of a process that is gone: this removes it

    def flush(self) -> None:
        """Flush what is pending, then the journals of processes that are gone.

        A failure is logged when it begins and when it is over; nothing is lost by it.
        """
        with self._one_at_a_time:
            self.began = time.monotonic()
            try:
                self._buffer.abandon_broken_journal()
                self._flush_buffer()
                self._recover()
            except Exception as error:  # whatever it is, this thread has to go on
                self._failed(error)
            else:
                self._succeeded()
            finally:
                # A connection of its own for each flush: one kept open would go on writing to a
                # database file that has been deleted or replaced.
                connection.close()
                self.began = None

    def _run(self) -> None:
        pause = 0.0  # the first round is at once: it recovers what earlier processes left
        while not self._stopping.wait(pause):
            self.flush()
            pause = self._interval
            if self.failures:  # which may be more than 1023: 2.0**1024 is an OverflowError
                pause = min(2.0 ** min(self.failures, 10), _LONGEST_PAUSE)

    def _flush_buffer(self) -> None:
        journal = self._buffer.journal
        if journal is None or not self._buffer.has_work:
            return
        pending: Pending | None = None
        try:
            with transaction.atomic():
                # The lock first: while the database is locked or down, the buffer stays whole.
                position = totals.lock_position(journal.name)
                pending = self._buffer.take()
                self._add(pending, position)
        except BaseException:
            if pending is not None:
                self._buffer.give_back(pending)
            raise
        self._buffer.flushed(pending)
        if pending.last:
            retire_journal(journal.path)

    def _add(self, pending: Pending, position: int) -> None:
        journal = pending.journal
        if position >= pending.end:
            return
        if position == pending.start:
            totals.add_to_totals(pending.deltas)
        else:  # someone else has flushed or reset, or the database has been replaced
            tail = read_tail(journal.path, position, pending.end)
            totals.add_to_totals(tail.deltas)
            if tail.rest:
                set_aside(journal.path, tail)
        totals.move_position(journal.name, pending.end)

    def _recover(self) -> None:
        increments = recover_journals(self._folder, self._unreadable)
        if increments:
            logger.info("Recovered %d increments of processes that are gone.", increments)

    def _failed(self, error: Exception) -> None:
        if not self.failures:
            logger.error(
                "The flush failed: %s. Increments are kept in the journal; it is tried again until"
                " it succeeds. (If a table is missing: python manage.py migrate)",
                error,
                exc_info=None if isinstance(error, DatabaseError | OSError) else error,
            )
        self.failures += 1
        self.last_error = f"{type(error).__name__}: {error}"

    def _succeeded(self) -> None:
        if self.failures:
            logger.info("The flush succeeds again, after %d failures.", self.failures)
        self.failures = 0
        self.last_error = ""
        self.last_success = time.monotonic()
