"""The buffer: what this process has accepted and not yet flushed, in its journal and in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock, RLock

from counters.deltas import Deltas
from counters.identified import Copy, Identified, IdReused
from counters.journal import Journal, JournalUnwritable
from counters.locks import AnyLock
from counters.own_journal import OwnJournal, keep_in_place, sync
from counters.pending import Pending
from counters.receipt import Receipt
from counters.records import ANY_TOTALS
from counters.reused_ids import reused
from counters.room import NOTHING_REFUSED, Limit, Room
from counters.sections import Request, sections_of, split
from counters.seen_ids import SeenIds
from counters.state import BufferState


class Buffer:
    """Deltas per key behind one lock; every increment is in the journal before it is in them.

    Safe to use from any number of threads; one of them flushes. The journal is made by the first
    increment, in the process that accepts it, so that a buffer made before a fork belongs to no
    one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_pending_keys: int,
        max_pending_bytes: int,
        max_journal_bytes: int,
        totals_id: bytes = ANY_TOTALS,
    ) -> None:
        """
        Args:
            totals_id: what journals name until `tend_journal` is told the id of the totals.
        """
        self._room = Room(max_pending_keys, max_pending_bytes)
        self._lock = RLock()
        self._sync_lock = Lock()  # taken before _lock; keeps the journal open during a sync
        self._seen = SeenIds(folder)
        self._own = OwnJournal(folder, max_journal_bytes, totals_id)
        self._deltas = Deltas()
        self._start = 0  # where in the journal the increments in _deltas begin
        self._taken = Deltas()  # what a flush has taken and not yet forgotten
        self._leftover: Pending | None = None  # of a replaced journal whose last flush failed
        self._replaced: Journal | None = None  # until all of it is flushed; that of _leftover, too
        self._left: list[Journal] = []  # to be closed, and recovered from their files
        self._is_recording = False

    def record(self, requests: Sequence[Request]) -> Receipt:
        """Record requests with one write to the journal. Each counts as a whole or not at all.

        Raises:
            JournalUnwritable: the journal cannot take them, and not one of them counts.
        """
        if self.is_recording_here:
            # A signal handler or a `__del__` has called in the middle of this very function.
            raise JournalUnwritable("this thread is recording another increment just now")
        kinds = split(requests)
        parts = sections_of(kinds)
        increments = kinds.entries
        with self._lock:
            if self._is_recording:
                # A signal handler has raised an exception in the middle of `record`: a time limit,
                # Ctrl-C. Nobody knows whether that record was written: the file alone is right.
                self._leave_journal()
            deltas = self._deltas
            refused: Mapping[int, Limit | IdReused] = NOTHING_REFUSED
            if increments > self._room.sure_increments:
                refused = self._room.refused(requests, increments, deltas, self._taken)
            if kinds.identified:
                pending = (deltas, self._taken)
                refused = {**refused, **reused(requests, refused, pending, self._seen)}
            if refused:
                kept = [each for place, each in enumerate(requests) if place not in refused]
                if not kept:
                    return Receipt(None, 0, refused)
                kinds = split(kept)
                parts = sections_of(kinds)
            self._is_recording = True
            try:
                journal, begin = self._own.append(parts)
            except JournalUnwritable:
                self._is_recording = False
                raise
            sums = deltas.sums
            for increment in kinds.singles:
                sums[increment.key] += increment.value
            for batch in kinds.batches:
                for increment in batch.increments:
                    sums[increment.key] += increment.value
            if kinds.identified:
                self._add_identified(kinds.identified, begin)
            self._room.sure_increments -= increments
            self._is_recording = False
            return Receipt(journal, journal.end, refused)

    def _add_identified(self, requests: Sequence[Identified], begin: int) -> None:
        """Add the requests of one record, which begins there, that are not pending already."""
        sums, pending, taken = self._deltas.sums, self._deltas.identified, self._taken.identified
        for request in requests:
            id_ = request.id
            if id_ in pending or id_ in taken:
                continue
            pending[id_] = Copy(request.fingerprint, begin)
            self._seen.add(request)
            for increment in request.increments:
                sums[increment.key] += increment.value

    def _leave_journal(self) -> None:
        """Leave the journal to recovery, and forget what is in memory of it."""
        if self._own.current is not None:
            self._left.append(self._own.current)
        self._own.current = None
        self._deltas = Deltas()
        self._start = 0
        self._is_recording = False

    @property
    def locks(self) -> list[AnyLock]:
        """Whoever holds these knows that nobody makes, writes or syncs a journal."""
        return [self._sync_lock, self._lock]

    @property
    def is_recording_here(self) -> bool:
        """Whether this very thread is recording: a signal handler has interrupted it."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]

    def state(self) -> BufferState:
        """Return what is pending, and what stands in the way of more."""
        with self._lock:
            journal = self._own.current
            limit = self._room.reached(self._deltas, self._taken)
            return BufferState(
                pending_keys=len(self._deltas.sums) + len(self._taken.sums),
                pending_ids=len(self._deltas.identified) + len(self._taken.identified),
                memory_bytes=self._deltas.memory_bytes + self._taken.memory_bytes,
                journal_bytes=journal.end - self._start if journal else 0,
                refusal=limit.reached if limit else self._own.refusal,
                is_full=limit is not None or self._own.is_full,
                write_error=self._own.write_error,
            )

    # Syncing

    def sync(self) -> None:
        """Force the journal to disk; a failure is logged, and `Receipt.is_durable` tells of it."""
        with self._sync_lock:
            self._keep_in_place()
            for journal in self._open_journals():
                sync(journal)

    def _keep_in_place(self) -> None:
        for journal in self._open_journals():
            if not journal.is_in_place:
                with self._lock:
                    keep_in_place(journal)

    def _open_journals(self) -> list[Journal]:
        with self._lock:
            return self._left + [each for each in (self._replaced, self._own.current) if each]

    # Flushing: by one thread

    def tend_journal(self, totals_id: bytes | None) -> None:
        """See to it that a recovery would find the journal, and that it can be appended to.

        A file that somebody has moved or removed is put back. A journal that takes no more is left
        to recovery, and the next increment makes a new one: so the service accepts again, even
        while the database is away.

        Args:
            totals_id: the id of the totals that are counted into; None: it is not known.

        Raises:
            OSError: the id could not be written into the journal.
        """
        with self._sync_lock:
            self._keep_in_place()
            with self._lock:
                in_trouble = self._own.current is not None and self._own.current.trouble
                if in_trouble or self._is_recording:
                    self._leave_journal()
                left, self._left = self._left, []
            for journal in left:
                if journal.missing:  # closed, it would be gone: it waits until it is back
                    with self._lock:
                        self._left.append(journal)
                    continue
                sync(journal)
                journal.close()
            if totals_id is not None:
                self._own.count_into(totals_id)

    def leave_room_for(self, orphan_bytes: int) -> None:
        """Accept so much less than the limit: journals of processes that are gone hold it.

        So does what is not flushed of a replaced journal of this process.
        """
        with self._lock:
            leftover = self._leftover
            leftover_bytes = 0 if leftover is None else leftover.end - leftover.start
            self._own.leave_room_for(orphan_bytes + leftover_bytes)

    def flushed_until(self) -> tuple[Journal, int] | None:
        """Return the journal and how much of it has been flushed; None where there is none."""
        with self._lock:
            return (self._own.current, self._start) if self._own.current else None

    def take_leftover(self) -> Pending | None:
        """Hand over what is left of a replaced journal whose last flush failed, if there is any."""
        leftover, self._leftover = self._leftover, None
        return leftover

    def take(self, journal: Journal) -> Pending | None:
        """Hand the deltas to a flush and begin anew; `flushed` or `give_back` has to follow.

        Where the journal has grown long, or is for other totals than are counted into now, a new
        one takes its place. Return None where `journal` is not the current one any more.
        """
        with self._sync_lock:
            successor = self._own.successor(self._start)
            fresh = Deltas()
            with self._lock:
                if self._own.current is not journal or self._is_recording:
                    if successor is not None:
                        self._left.append(successor)
                    return None
                pending = Pending(
                    journal, self._deltas, self._start, journal.end, is_last=successor is not None
                )
                pending.deltas.count()
                self._deltas, self._taken = fresh, pending.deltas
                self._start = pending.end
                if successor is not None:
                    self._own.current, self._start = successor, 0
                    self._replaced = journal
            if successor is not None:
                sync(journal)  # nobody else will any more
            return pending

    def give_back(self, pending: Pending) -> None:
        """Put the deltas of a flush that failed together with what came since."""
        if pending.is_last:
            self._leftover = pending
            return
        with self._lock:
            if self._own.current is pending.journal:
                self._deltas.count()
                self._taken, self._deltas = self._deltas, pending.deltas
                self._start = pending.start
        while self._taken.entries:
            with self._lock:
                if self._own.current is not pending.journal:  # it was left: its file has it all
                    self._taken = Deltas()
                self._taken.move_some_to(self._deltas)

    def flushed(self, pending: Pending) -> None:
        """Note that a flush succeeded, so that its deltas go and the journal may grow on."""
        pending.journal.flushed(pending.end)
        self._room.flushed()
        pending.deltas.free()
        if pending.is_last:
            with self._sync_lock, self._lock:
                self._replaced = None
                pending.journal.close()

    def close(self) -> None:
        """Let go of the journal: what is left in it is anyone's to recover."""
        with self._sync_lock, self._lock:
            self._keep_in_place()
            self._leave_journal()
            if self._replaced is not None:
                self._left.append(self._replaced)
                self._replaced = self._leftover = None
            left, self._left = self._left, []
            for journal in left:
                if journal.missing:  # closed, it would be gone: the next flush tries again
                    self._left.append(journal)
                else:
                    journal.close()
