"""The buffer: what this process has accepted and not yet flushed, in its journal and in memory."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from counters.increments import Batch, Increment
from counters.journal import Journal, JournalUnwritable
from counters.pending import Deltas, Pending
from counters.receipt import Receipt
from counters.records import ANY_TOTALS
from counters.room import without_room
from counters.sections import sections_of, split
from counters.state import BufferState

logger = logging.getLogger(__name__)

_ROTATION_BYTES = 64 * 1024 * 1024
_STEP_KEYS = 1000
"""Keys that are handled under the lock at a time: requests wait a tenth of a millisecond."""
_REFUSAL_SECONDS = 10.0
"""How long a failed write counts as the journal's state, where no other write is tried."""


class Buffer:
    """Deltas per key behind one lock; every increment is in the journal before it is in them.

    Safe to use from any number of threads. The journal is made by the first increment, in the
    process that accepts it, so that a buffer made before a fork belongs to no one.
    """

    def __init__(self, folder: Path, *, max_pending_keys: int, max_journal_bytes: int) -> None:
        self._folder = folder
        self._max_pending_keys = max_pending_keys
        self._max_journal_bytes = max_journal_bytes
        self._lock = Lock()
        self._sync_lock = Lock()  # taken before _lock; keeps the journal open during a sync
        self._totals_id = ANY_TOTALS
        self._journal: Journal | None = None
        self._deltas: Deltas = defaultdict(int)
        self._start = 0  # where in the journal the increments in _deltas begin
        self._flushing_keys = 0  # in the deltas that a flush has taken and not yet forgotten
        self._write_error = ""
        self._failed_at = 0.0
        self._has_told_of_no_room = False

    def record(self, requests: Sequence[Increment | Batch]) -> Receipt:
        """Record requests with one write to the journal. Each counts as a whole or not at all.

        Raises:
            JournalUnwritable: the journal cannot take them, and not one of them counts.
        """
        singles, batches = split(requests)
        sections = sections_of(singles, batches)
        increments = len(singles) + sum([len(batch.increments) for batch in batches])
        with self._lock:
            refused = self._without_room(requests, increments)
            if refused:
                kept = [each for place, each in enumerate(requests) if place not in refused]
                if not kept:
                    return Receipt(None, 0, refused)
                singles, batches = split(kept)
                sections = sections_of(singles, batches)
            journal = self._append(sections)
            deltas = self._deltas
            for increment in singles:
                deltas[increment.key] += increment.value
            for batch in batches:
                for increment in batch.increments:
                    deltas[increment.key] += increment.value
            return Receipt(journal, journal.end, refused)

    def _without_room(
        self, requests: Sequence[Increment | Batch], increments: int
    ) -> frozenset[int]:
        """Return the places of the requests whose new keys are more than there is room for."""
        room = self._max_pending_keys - len(self._deltas) - self._flushing_keys
        if increments <= room:
            return frozenset()
        refused = without_room(requests, self._deltas, room)
        if refused and not self._has_told_of_no_room:
            self._has_told_of_no_room = True
            logger.warning(
                "%d keys wait to be flushed: increments of other keys get 503 until a flush has"
                " succeeded.",
                self._max_pending_keys,
            )
        return refused

    def _append(self, sections: Sequence[bytes]) -> Journal:
        try:
            if self._journal is None:
                self._journal = self._new_journal()
            self._journal.append(sections)
        except JournalUnwritable as error:
            if not self._write_error:
                logger.error(
                    "Increments get 503: the journal in %s cannot be written: %s. What was"
                    " acknowledged is kept; each request tries again.",
                    self._folder,
                    error,
                )
            self._write_error = str(error)
            self._failed_at = time.monotonic()
            raise
        if self._write_error:
            self._write_error = ""
            logger.info("Increments are accepted again.")
        return self._journal

    def state(self) -> BufferState:
        """Return what is pending, and what stands in the way of more."""
        with self._lock:
            journal = self._journal
            keys = len(self._deltas) + self._flushing_keys
            refusal = ""
            if keys >= self._max_pending_keys:
                refusal = f"{self._max_pending_keys} keys wait to be flushed"
            elif journal and journal.refusal:
                refusal = f"the journal takes no more increments: {journal.refusal}"
            elif self._write_error and time.monotonic() - self._failed_at < _REFUSAL_SECONDS:
                refusal = f"the journal cannot be written: {self._write_error}"
            pending_bytes = journal.end - self._start if journal else 0
            return BufferState(keys, pending_bytes, refusal, self._write_error)

    def count_into(self, totals_id: bytes) -> None:
        """Make journals for the totals that have this id from now on.

        The first journal may have been made before the id was known: it is bound to it now.

        Raises:
            OSError: the journal cannot be written.
        """
        with self._sync_lock:
            self._totals_id = totals_id
            if self._journal is not None and self._journal.header.totals_id == ANY_TOTALS:
                self._journal.bind(totals_id)

    def flushed_until(self) -> tuple[Journal, int] | None:
        """Return the journal and how much of it has been flushed; None where there is none."""
        with self._lock:
            return (self._journal, self._start) if self._journal else None

    def tend_journal(self) -> None:
        """See to it that a recovery would find the journal, and that it can be appended to.

        A file that somebody has moved or removed is put back. A journal that takes no more is left
        to recovery, and the next increment makes a new one: so the service accepts again, even
        while the database is away.
        """
        with self._sync_lock:
            self._keep_in_place()
            with self._lock:
                if self._journal is not None and self._journal.trouble:
                    _sync(self._journal)
                    self._let_go()

    def _keep_in_place(self) -> None:
        journal = self._journal
        if journal is None or journal.is_in_place:
            return
        was_missing = journal.missing
        with self._lock:
            try:
                journal.put_back()
            except OSError:
                if not was_missing:
                    logger.error("Increments get 503: of %s, %s.", journal.path, journal.missing)
                return
        logger.warning(
            "%s was moved, replaced or removed while it was in use. It is back, with all that it"
            " held.",
            journal.path,
        )

    def take(self) -> Pending:
        """Hand the deltas to a flush and begin anew; `flushed` or `give_back` has to follow.

        Where the journal has grown long, or is for other totals than are counted into now, a new
        one takes its place.
        """
        with self._sync_lock:
            successor = self._successor()
            with self._lock:
                journal = self._journal
                assert journal is not None, "there is nothing to take before the first increment"
                pending = Pending(
                    journal, self._deltas, self._start, journal.end, is_last=successor is not None
                )
                self._deltas = defaultdict(int)
                self._flushing_keys = len(pending.deltas)
                self._start = pending.end
                if successor:
                    self._journal, self._start = successor, 0
            if successor:
                _sync(journal)  # nobody else will any more
            return pending

    def _successor(self) -> Journal | None:
        # What counts is how much has been flushed: while flushes fail, the journal grows up to its
        # limit, instead of leaving one file after the other.
        journal = self._journal
        if journal is None or (
            self._start <= _ROTATION_BYTES and self._is_for_these_totals(journal)
        ):
            return None
        try:
            return self._new_journal()
        except JournalUnwritable:
            return None  # the old one goes on

    def _new_journal(self) -> Journal:
        return Journal(self._folder, self._max_journal_bytes, self._totals_id)

    def _is_for_these_totals(self, journal: Journal) -> bool:
        return journal.header.totals_id == self._totals_id

    def give_back(self, pending: Pending) -> None:
        """Put the deltas of a flush that failed together with what came since."""
        if pending.is_last:  # what is in a journal that has been replaced waits for recovery
            self._forget(pending)
            return
        with self._lock:
            recent, self._deltas = self._deltas, pending.deltas
            self._start = pending.start
            self._flushing_keys = len(recent)
        while recent:
            with self._lock:
                for _ in range(min(len(recent), _STEP_KEYS)):
                    key, value = recent.popitem()
                    self._deltas[key] += value
                self._flushing_keys = len(recent)

    def flushed(self, pending: Pending) -> None:
        """Note that a flush succeeded, so that its deltas go and the journal may grow on."""
        pending.journal.flushed(pending.end)
        self._has_told_of_no_room = False
        self._forget(pending)

    def _forget(self, pending: Pending) -> None:
        # In steps: freeing a million keys at once would hold up requests.
        while pending.deltas:
            for _ in range(min(len(pending.deltas), _STEP_KEYS)):
                pending.deltas.popitem()
            time.sleep(0)
        self._flushing_keys = 0
        if pending.is_last:
            pending.journal.close()

    def sync(self) -> None:
        """Force the journal to disk; a failure is logged, and `Receipt.is_durable` tells of it."""
        with self._sync_lock:
            self._keep_in_place()
            if self._journal is not None:
                _sync(self._journal)

    def close(self) -> None:
        """Let go of the journal: what is left in it is anyone's to recover."""
        with self._sync_lock, self._lock:
            if self._journal is not None:
                self._let_go()

    def _let_go(self) -> None:
        assert self._journal is not None
        self._journal.close()
        self._journal = None
        self._deltas.clear()
        self._start = 0


def _sync(journal: Journal) -> None:
    try:
        journal.sync()
    except OSError as error:
        logger.error(
            "Cannot force %s to disk: %s. Increments get 503 until a new journal is made.",
            journal.path,
            error.strerror,
        )
