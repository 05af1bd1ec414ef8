"""The buffer: what this process has accepted and not yet flushed, in its journal and in memory."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, RLock

from counters.journal import Journal, JournalUnwritable, record_of_batch, record_of_increments
from counters.parsing import Increment

logger = logging.getLogger(__name__)

_ROTATION_SIZE = 64 * 1024 * 1024
_STEP = 1000
"""Keys handled at a stretch: a tenth of a millisecond in which requests wait."""
_REFUSAL_HOLDS = 10.0
"""Seconds for which a write that failed speaks for the next: then somebody may try again."""


class BufferFull(Exception):
    """As many distinct keys are pending as the buffer may hold; nothing was recorded."""


@dataclass(slots=True)
class Pending:
    """What one flush takes from the buffer: the deltas of the journal's bytes `start` to `end`."""

    journal: Journal
    deltas: defaultdict[str, int]
    start: int
    end: int
    last: bool
    """Whether the journal has been replaced, so that nothing more will be written to it."""


class Buffer:
    """Deltas per key behind one lock; every increment is in the journal before it is in them.

    Safe to use from any number of threads. The journal is made by the first increment, in the
    process that accepts it, so that a buffer made before a fork belongs to no one.
    """

    def __init__(self, folder: Path, *, max_pending_keys: int, max_journal_bytes: int) -> None:
        self._folder = folder
        self._max_pending_keys = max_pending_keys
        self._max_journal_bytes = max_journal_bytes
        self._lock = RLock()
        self._sync_lock = Lock()  # taken before _lock; keeps the journal open during a sync
        self.sync_failures = 0
        self.write_error = ""  # of the last write; empty if it succeeded
        self._refused_at = 0.0
        self._said_full = False
        self._deltas: defaultdict[str, int] = defaultdict(int)
        self._unwritten: list[tuple[str, int]] = []
        self._unwritten_keys: set[str] = set()  # those that are not in _deltas yet
        self._grouping = False
        self._start = 0
        self._room = max_pending_keys  # less the keys that a flush holds just now
        self.journal: Journal | None = None

    def add(self, key: str, value: int) -> None:
        """Record one increment; within `group`, at its end.

        Raises:
            BufferFull: the key is new and there is no room for it.
            JournalUnwritable: the journal cannot take it.
        """
        with self._lock:
            if key not in self._deltas:
                self._check_room({key})
                self._unwritten_keys.add(key)
            self._unwritten.append((key, value))
            if not self._grouping:
                self._write()

    @contextmanager
    def group(self) -> Iterator[None]:
        """Record what this thread adds in the meantime with one write to the journal, or nothing.

        Other threads wait meanwhile.

        Raises:
            JournalUnwritable: the journal cannot take it, and not one of the increments counts.
        """
        with self._lock:
            self._grouping = True
            try:
                yield
            finally:
                self._grouping = False
                self._write()

    def _write(self) -> None:
        unwritten, self._unwritten = self._unwritten, []
        self._unwritten_keys.clear()
        if unwritten:
            self._append(record_of_increments(unwritten))
            deltas = self._deltas
            for key, value in unwritten:
                deltas[key] += value

    def _check_room(self, keys: Collection[str]) -> None:
        """Raise BufferFull where there is no room for those of `keys` that are new."""
        if len(self._deltas) + len(self._unwritten_keys) + len(keys) > self._room:
            new = {key for key in keys if key not in self._deltas} - self._unwritten_keys
            if new and len(self._deltas) + len(self._unwritten_keys) + len(new) > self._room:
                if not self._said_full:
                    self._said_full = True
                    logger.warning(
                        "%d keys wait to be flushed: increments of other keys get 503 until a flush"
                        " has succeeded.",
                        self._max_pending_keys,
                    )
                raise BufferFull

    def add_batch(self, batch: Collection[Increment], body: bytes) -> None:
        """Record all increments of a batch; `body` is the JSON that it was read from.

        It has a write of its own, at once, also within `group`.

        Raises:
            BufferFull: there is no room for all its new keys.
            JournalUnwritable: the journal cannot take it.
        """
        record = record_of_batch(body)
        with self._lock:
            deltas = self._deltas
            if len(deltas) + len(self._unwritten_keys) + len(batch) > self._room:
                self._check_room({increment.key for increment in batch})
            self._append(record)
            for increment in batch:
                deltas[increment.key] += increment.value
            self._unwritten_keys = {key for key in self._unwritten_keys if key not in deltas}

    def _append(self, record: bytes) -> None:
        try:
            if self.journal is None:
                self.journal = Journal(self._folder, limit=self._max_journal_bytes)
            self.journal.append(record)
        except JournalUnwritable as error:
            if not self.write_error:
                logger.error(
                    "Increments get 503: the journal in %s cannot be written: %s. What was"
                    " acknowledged is kept; each request tries again.",
                    self._folder,
                    error,
                )
            self.write_error = str(error)
            self._refused_at = time.monotonic()
            raise
        if self.write_error:
            self.write_error = ""
            logger.info("Increments are accepted again.")

    @property
    def pending_keys(self) -> int:
        """Distinct keys waiting to be flushed."""
        return len(self._deltas) + self._max_pending_keys - self._room

    @property
    def pending_bytes(self) -> int:
        """Bytes of the journal waiting to be flushed."""
        return self.journal.end - self._start if self.journal else 0

    @property
    def refusal(self) -> str:
        """Why an increment of a new key would be refused just now; empty where it would not."""
        journal = self.journal
        if len(self._deltas) >= self._room:
            return f"{self._max_pending_keys} keys wait to be flushed"
        if journal and (journal.broken or journal.end > journal.limit):
            return "the journal takes no more increments until a flush has succeeded"
        if self.write_error and time.monotonic() - self._refused_at < _REFUSAL_HOLDS:
            return f"the journal cannot be written: {self.write_error}"
        return ""

    @property
    def has_work(self) -> bool:
        """Whether a flush would change anything."""
        return self.pending_bytes > 0

    def abandon_broken_journal(self) -> None:
        """Leave a journal that takes no more to recovery; the next increment makes a new one.

        So the service goes back to 200 even while the database is away.
        """
        with self._sync_lock, self._lock:
            if self.journal is not None and self.journal.broken:
                self._let_go()

    def take(self) -> Pending:
        """Hand the deltas to a flush and begin anew; `flushed` or `give_back` has to follow.

        Where the journal has grown long, a new one takes its place.
        """
        with self._sync_lock:
            fresh = self._successor()
            with self._lock:
                journal = self.journal
                assert journal is not None, "there is nothing to take before the first increment"
                pending = Pending(journal, self._deltas, self._start, journal.end, bool(fresh))
                self._deltas = defaultdict(int)
                self._room = self._max_pending_keys - len(pending.deltas)
                self._start = pending.end
                if fresh:
                    self.journal, self._start = fresh, 0
            if fresh:
                self._sync(journal)  # nobody else will any more
            return pending

    def _successor(self) -> Journal | None:
        journal = self.journal
        # Counted by what has been flushed: while flushes fail, the journal goes on up to its limit
        # instead of leaving one file after the other.
        if journal is None or self._start <= _ROTATION_SIZE:
            return None
        try:
            return Journal(self._folder, limit=self._max_journal_bytes)
        except JournalUnwritable:
            return None  # the old one goes on

    def give_back(self, pending: Pending) -> None:
        """Put the deltas of a flush that failed together with what came since."""
        if pending.last:  # what is in a journal that has been replaced waits there for recovery
            self._forget(pending)
            return
        with self._lock:
            recent, self._deltas = self._deltas, pending.deltas
            self._start = pending.start
            self._room = self._max_pending_keys - len(recent)
        while recent:
            with self._lock:
                for _ in range(min(len(recent), _STEP)):
                    key, value = recent.popitem()
                    self._deltas[key] += value
        self._room = self._max_pending_keys

    def flushed(self, pending: Pending) -> None:
        """Note that a flush succeeded, so that its deltas go and the journal may grow on."""
        pending.journal.limit = pending.end + self._max_journal_bytes
        self._said_full = False
        self._forget(pending)

    def _forget(self, pending: Pending) -> None:
        # In steps: freeing a million at once is slow.
        while pending.deltas:
            for _ in range(min(len(pending.deltas), _STEP)):
                pending.deltas.popitem()
            time.sleep(0)
        self._room = self._max_pending_keys
        if pending.last:
            pending.journal.close()

    def sync(self) -> None:
        """Force the journal to disk; a failure is logged and counted in `sync_failures`."""
        with self._sync_lock:
            if self.journal is not None:
                self._sync(self.journal)

    def _sync(self, journal: Journal) -> None:
        if journal.broken or journal.synced == journal.end:
            return
        end = journal.end
        try:
            journal.sync()
        except OSError as error:
            # What the disk holds after the last good sync is unknown, and a later sync would
            # report success all the same (https://wiki.postgresql.org/wiki/Fsync_Errors).
            with self._lock:
                journal.broken = True
                self.sync_failures += 1
                self.write_error = "it could not be forced to disk"
            logger.error(
                "Cannot force %s to disk: %s. Increments get 503 until a new journal is made.",
                journal.path,
                error.strerror,
            )
        else:
            journal.synced = end

    def close(self) -> None:
        """Let go of the journal: what is left in it is anyone's to recover."""
        with self._sync_lock, self._lock:
            if self.journal is not None:
                self._let_go()

    def _let_go(self) -> None:
        assert self.journal is not None
        self.journal.close()
        self.journal = None
        self._deltas.clear()
        self._start = 0
