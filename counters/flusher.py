"""The flusher: the thread that brings a process's increments into the database."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Collection
from pathlib import Path
from threading import Event, Lock, RLock, Thread

from django.db import Error

from counters import totals
from counters.bells import Bell
from counters.buffer import Buffer
from counters.counting import count_contents, flush_in_portions, report_damage, retire_journal
from counters.failures import told
from counters.identity import totals_ids
from counters.journal import Journal
from counters.journal_folder import journals, opened
from counters.locks import AnyLock
from counters.orphans import Orphans
from counters.pending import Pending
from counters.recovery import recover_journals
from counters.request_ids import pruner
from counters.state import FlusherState

logger = logging.getLogger(__name__)

_LONGEST_PAUSE_SECONDS = 30.0
"""Between two tries, while flushes fail."""
_RESTS = 9
_LONGEST_REST_SECONDS = 1.0
"""After a flush it rests for so many times as long as that took, whoever rings: clients that ask
for fresh totals again and again have it flush for a tenth of the time at the most."""
_MAX_TOLD = 10
"""Causes of failures that are logged before a flush succeeds again: each may have a new text."""
_LAST_SECONDS = 10.0
"""How long a process that ends goes on trying keys of which the database refuses many."""
_SETTLED_SECONDS = 2 * _LONGEST_PAUSE_SECONDS
"""How long flushes have to have succeeded before ids of requests are pruned. Copies of what counted
a day ago may wait in the journals of others, whose flushes failed as long as these did: they are to
find its id."""
_PRUNE_SECONDS = 3600.0
"""From one deletion of old positions to the next, and from the start to the first. On SQLite their
dates are of the machine's own clock, which may begin at 1970 and then jump. By the first deletion
after a jump, each living process has to have given its position the new date."""


class Flusher:
    """Flushes a buffer every so often, and the journals of processes that are gone."""

    def __init__(self, buffer: Buffer, folder: Path, interval_seconds: float) -> None:
        self._buffer = buffer
        self._folder = folder
        self._interval_seconds = interval_seconds
        self._orphans = Orphans(folder)
        self._totals_ids: Collection[bytes] | None = None  # before the database was asked
        self._unreadable: set[Path] = set()
        self._one_at_a_time = RLock()  # a signal handler may fork in the middle of a flush
        self._stopping = Event()
        self._give_up_at = math.inf
        self._thread = Thread(target=self._run, name="flusher", daemon=True)
        self._state_lock = Lock()
        self._began: float | None = None
        self._succeeded_at = time.monotonic()
        self._has_succeeded = False
        self._failures = 0
        self._error = ""
        self._told: set[str] = set()  # what the log has, since it failed first
        self._is_unfit = False
        self._prune_at = time.monotonic() + _PRUNE_SECONDS
        self._settled_at = time.monotonic() + _SETTLED_SECONDS

    def start(self) -> None:
        self._leave_room()  # before the first increment
        self._bell = Bell(self._folder)
        self._thread.start()

    def stop(self) -> None:
        """Flush a last time and let go of the journal. What cannot be flushed stays in it."""
        self._give_up_at = time.monotonic() + _LAST_SECONDS
        self._stopping.set()
        self._bell.ring()
        self._thread.join()
        self.flush()
        pending_keys = self._buffer.state().pending_keys
        self._buffer.close()
        if not self._failures:
            self.flush()  # now as the journal of a process that is gone: this removes it
        elif pending_keys:
            logger.warning(
                "This process ends with the increments of %d keys not flushed: the journal in %s"
                " keeps them for the next start, or flushnumbers.",
                pending_keys,
                self._folder,
            )
        self._bell.close()

    @property
    def locks(self) -> list[AnyLock]:
        """Whoever holds these knows that no flush is under way, and no connection open."""
        return [self._one_at_a_time]

    def state(self) -> FlusherState:
        """Return how flushing goes."""
        with self._state_lock:
            now = time.monotonic()
            return FlusherState(
                seconds_since_flush=now - self._succeeded_at,
                seconds_in_flush=0.0 if self._began is None else now - self._began,
                failures=self._failures,
                error=self._error,
                is_unfit=self._is_unfit,
            )

    def flush(self) -> None:
        """Flush what is pending, then the journals of processes that are gone.

        A failure is logged when it begins, when it has another cause, and when it is over; nothing
        is lost by it.
        """
        with self._one_at_a_time:
            with self._state_lock:
                self._began = time.monotonic()
            error: Exception | None = None
            try:
                self._flush_once()
            except Exception as failure:  # whatever it is, this thread has to go on
                error = failure
            self._note(error)

    def _flush_once(self) -> None:
        try:
            self._buffer.tend_journal(None)
            self._leave_room()
            self._flush_all()
            self._prune()
            if time.monotonic() >= self._settled_at:
                pruner.after_flush()
            totals.tidy()
        finally:
            # Each flush has a connection of its own: one kept open would go on writing to a
            # database file that has been deleted or replaced.
            totals.close_connection()

    def _flush_all(self) -> None:
        try:
            totals.require_tables()
            ids = totals_ids()
            self._totals_ids = ids.accepted
            self._buffer.tend_journal(ids.own)
            if leftover := self._buffer.take_leftover():
                self._flush_buffer(leftover.journal, leftover)
            if journal := self._journal_to_flush(ids.own):
                self._flush_buffer(journal)
            self._recover(ids.accepted)
        finally:
            self._leave_room()

    def _leave_room(self) -> None:
        """Have the journals of processes that are gone count against the buffer's limit.

        Otherwise each restart while the database is away would add to what the folder holds. What
        cannot be counted, and is named in the log, is left out: it must not stop the counting.
        """
        self._buffer.leave_room_for(self._orphans.held_bytes(self._totals_ids, self._unreadable))

    def _run(self) -> None:
        # The first round is at once: it recovers what earlier processes left.
        while not self._stopping.is_set():
            began = time.monotonic()
            self.flush()
            took_seconds = time.monotonic() - began
            pause_seconds = self._interval_seconds
            if self._failures:  # which may be more than 1023, and 2.0**1024 is an OverflowError
                pause_seconds = min(2.0 ** min(self._failures, 10), _LONGEST_PAUSE_SECONDS)
            rest_seconds = min(_RESTS * took_seconds, _LONGEST_REST_SECONDS, pause_seconds)
            if not self._stopping.wait(rest_seconds):
                self._bell.wait(pause_seconds - rest_seconds)

    def _journal_to_flush(self, totals_id: bytes) -> Journal | None:
        """Return the journal, where a flush would change anything.

        Without an increment, too: the database may have been replaced, by an older copy or by
        another set of totals.
        """
        found = self._buffer.flushed_until()
        if found is None:
            return None
        journal, start = found
        is_done = (
            journal.end == start
            and journal.header.totals_id == totals_id
            and totals.is_up_to_date(journal.name, start)
        )
        return None if is_done else journal

    def _is_given_up(self) -> bool:
        return time.monotonic() > self._give_up_at

    def _flush_buffer(self, journal: Journal, pending: Pending | None = None) -> None:
        """Flush what is pending of a journal: what the buffer has, or `pending`.

        Where the database refuses many keys, most is flushed from the file, in portions.
        """
        try:
            self._flush_at_once(journal, pending, totals.MAX_TRIED_KEYS)
        except totals.ManyRefused:
            with opened(journal.path) as file:
                flush_in_portions(file, self._is_given_up)
            self._flush_at_once(journal, self._buffer.take_leftover())

    def _flush_at_once(
        self, journal: Journal, pending: Pending | None, max_tried: int | None = None
    ) -> None:
        try:
            with totals.transaction():
                # The lock first: while the database is locked or down, the buffer stays whole.
                position = totals.lock_position(journal.name)
                pending = pending or self._buffer.take(journal)
                if pending is None:
                    return
                with journal.open() as file:
                    contents = pending.beyond(position, file)
                    report_damage(file, journal.path, contents.damaged)
                    count_contents(journal.path, position, contents, max_tried)
                totals.move_position(journal.name, max(position, pending.end))
        except BaseException:
            if pending is not None:
                self._buffer.give_back(pending)
            raise
        self._buffer.flushed(pending)
        if pending.is_last:
            retire_journal(journal.path)

    def _recover(self, totals_ids: Collection[bytes]) -> None:
        increments = recover_journals(self._folder, totals_ids, self._unreadable, self._is_given_up)
        if increments:
            logger.info("Recovered %d increments of processes that are gone.", increments)

    def _prune(self) -> None:
        if time.monotonic() >= self._prune_at:
            standing = [*journals(self._folder), *self._folder.glob("*.refused")]
            totals.prune_positions({path.stem for path in standing})
            self._bell.renew()
            self._prune_at = time.monotonic() + _PRUNE_SECONDS

    def _note(self, error: Exception | None) -> None:
        with self._state_lock:
            failures, self._began = self._failures, None
            self._is_unfit = isinstance(error, totals.UnfitTables)
            if error is None:
                self._failures, self._error = 0, ""
                self._succeeded_at = time.monotonic()
            else:
                self._failures, self._error = failures + 1, f"{type(error).__name__}: {error}"
                self._settled_at = time.monotonic() + _SETTLED_SECONDS
                is_new = self._error not in self._told and len(self._told) < _MAX_TOLD
                if is_new:
                    self._told.add(self._error)
        if error is None and not self._has_succeeded:
            self._has_succeeded = True
            logger.info("Flushing into %s; journals are in %s.", totals.place(), self._folder)
        elif error is None and failures:
            logger.info("The flush succeeds again, after %d failures.", failures)
            self._told.clear()
        elif error is not None and is_new:
            logger.error(
                "The flush failed. %s Increments are kept in the journals in %s; it is tried again"
                " until it succeeds.",
                told(error, totals.connection()) if isinstance(error, Error) else f"{error}.",
                self._folder,
                exc_info=None if isinstance(error, Error | OSError) else error,
            )
