"""The journal that this process appends to now: made when it is needed, put back, replaced."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from counters.journal import Journal, JournalFull, JournalUnwritable

logger = logging.getLogger(__name__)

_ROTATION_BYTES = 64 * 1024 * 1024
_REFUSAL_SECONDS = 10.0
"""How long a failed write counts as the journal's state, where no other write is tried."""


class OwnJournal:
    """Holds the current journal. The buffer's locks keep it from being used by two at once.

    Attributes:
        current: None before the first increment, and after the journal was let go.
        write_error: what the last write said; empty if it succeeded.
    """

    def __init__(self, folder: Path, max_journal_bytes: int, totals_id: bytes) -> None:
        self.current: Journal | None = None
        self.write_error = ""
        self._folder = folder
        self._max_journal_bytes = max_journal_bytes
        self._totals_id = self._first_id = totals_id
        self._failed_at = -math.inf
        self._others_bytes = 0

    def append(self, parts: Sequence[bytes]) -> tuple[Journal, int]:
        """Write the record of sections, given as their parts.

        Return the journal that it is in, and where it begins there.

        Raises:
            JournalUnwritable: it cannot be written. It is logged, if the last one succeeded.
        """
        try:
            if self.current is None:
                if self.is_full:
                    raise self._full()
                self.current = self._make()
            begin = self.current.append(parts)
        except JournalUnwritable as error:
            if not self.write_error:
                logger.error(
                    "Increments get 503: the journal in %s cannot be written: %s. What was"
                    " acknowledged is kept; each request tries again.",
                    self._folder,
                    error,
                )
            self.write_error = str(error)
            if not isinstance(error, JournalFull):  # for how long it is full, the journal knows
                self._failed_at = time.monotonic()
            raise
        if self.write_error:
            self.write_error = ""
            logger.info("Increments are accepted again.")
        return self.current, begin

    @property
    def refusal(self) -> str:
        """Why a record would be refused just now; empty where it would not."""
        if self.current and self.current.refusal:
            return f"the journal takes no more increments: {self.current.refusal}"
        if self.current is None and self.is_full:
            return f"no journal is made: {self._full()}"
        if self.write_error and time.monotonic() - self._failed_at < _REFUSAL_SECONDS:
            return f"the journal cannot be written: {self.write_error}"
        return ""

    @property
    def is_full(self) -> bool:
        """Whether it would be refused because no flush has taken what is written."""
        if self.current is not None:
            return self.current.is_full
        return self._others_bytes >= self._max_journal_bytes

    def _full(self) -> JournalFull:
        return JournalFull(self._max_journal_bytes, self._others_bytes)

    def leave_room_for(self, others_bytes: int) -> None:
        """Have so many bytes of other journals count against the limit, from now on."""
        self._others_bytes = others_bytes
        if self.current is not None:
            self.current.leave_room_for(others_bytes)

    def count_into(self, totals_id: bytes) -> None:
        """Make journals for the totals that have this id from now on.

        The first journal may have been made before the id was known: it is bound to it now.

        Raises:
            OSError: the journal cannot be written.
        """
        self._totals_id = totals_id
        if self.current is not None and self.current.header.totals_id == self._first_id:
            self.current.bind(totals_id)

    def successor(self, flushed_bytes: int) -> Journal | None:
        """Return a new journal, if the current one has grown long or is for other totals.

        Growth is counted by what has been flushed. While flushes fail, the journal grows up to its
        limit, instead of leaving one file after the other.
        """
        if self.current is None:
            return None
        is_bound = self.current.header.totals_id == self._totals_id
        # Should this process be killed, its whole journal counts against the limit of the others,
        # also what is flushed of it: that must not use up the limit.
        rotation_bytes = min(_ROTATION_BYTES, self._max_journal_bytes // 4)
        if flushed_bytes <= rotation_bytes and is_bound:
            return None
        try:
            return self._make()
        except JournalUnwritable:
            return None  # the old one goes on

    def _make(self) -> Journal:
        return Journal(self._folder, self._max_journal_bytes, self._totals_id, self._others_bytes)


def keep_in_place(journal: Journal) -> None:
    """Put a journal's file back, if somebody has moved, replaced, removed or cut it."""
    if journal.is_in_place:
        return
    was_missing, lacking_bytes = journal.missing, journal.lacking_bytes
    try:
        journal.put_back()
    except OSError:
        if not was_missing:
            logger.error("Increments get 503: of %s, %s.", journal.path, journal.missing)
    else:
        if lacking_bytes:
            logger.warning(
                "%s was emptied or cut while it was in use: %d bytes are gone from it. What of them"
                " is not flushed yet is in memory, and is kept unless this process is killed before"
                " the next flush.",
                journal.path,
                lacking_bytes,
            )
            return
        logger.warning(
            "%s was moved, replaced or removed while it was in use. It is back, with all that it"
            " held.",
            journal.path,
        )


def sync(journal: Journal) -> None:
    """Force a journal to disk; a failure is logged, and `Receipt.is_durable` tells of it."""
    try:
        journal.sync()
    except OSError as error:
        logger.error(
            "Cannot force %s to disk: %s. Increments get 503 until a new journal is made.",
            journal.path,
            error.strerror,
        )
