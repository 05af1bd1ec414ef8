"""How a process's counting goes: one snapshot, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

UNREADY_AFTER_SECONDS = 60
"""Without a good flush, or within one: from then on a process is not ready."""


@dataclass(frozen=True, slots=True)
class BufferState:
    """What is pending, and what stands in the way of more; all as of one moment."""

    pending_keys: int
    pending_ids: int
    """Of requests."""
    memory_bytes: int
    """What the pending keys, their deltas and the ids take."""
    journal_bytes: int
    """What of the journal is not flushed."""
    refusal: str
    """Why an increment of a new key would be refused; empty where it would not."""
    is_full: bool
    """Whether the reason is that as much waits to be flushed as may, and not the disk."""
    write_error: str
    """What the last write to the journal said; empty if it succeeded."""


@dataclass(frozen=True, slots=True)
class FlusherState:
    """How flushing goes; all as of one moment."""

    seconds_since_flush: float
    """Since the last flush that succeeded, or since the start."""
    seconds_in_flush: float
    """Since the flush under way began; 0 between two flushes."""
    failures: int
    """How many flushes have failed since the last one that succeeded."""
    error: str
    """What the last one of these said; empty while flushes succeed."""
    is_unfit: bool
    """Whether that was that the tables are not as they have to be: it does not pass by itself."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why increments are not accepted, or do not get into the totals. Anyone may read it."""

    why: str
    """One word: `journal`, `full` or `database`."""
    sentence: str
    """It has no paths and no addresses in it, and nothing that the system or the database said."""


_UNWRITABLE = Trouble("journal", "the journal cannot be written")
_FULL = Trouble("full", "as much waits to be flushed as this process may keep")
_FAILS = Trouble("database", "the flush fails")
_UNFIT = Trouble("database", "the database's tables are not as they have to be")
_HANGS = Trouble("database", "the flush does not end")


@dataclass(frozen=True, slots=True)
class State:
    """What is pending, and how flushing goes."""

    buffer: BufferState
    flusher: FlusherState

    @property
    def last_error(self) -> str:
        """What went wrong last and does so still; empty where nothing does.

        It may hold what is for the operator only: paths, addresses.
        """
        return self.flusher.error or self.buffer.write_error or self.buffer.refusal

    @property
    def trouble(self) -> Trouble | None:
        """Why increments are not accepted, or do not get into the totals; None while they do."""
        if self.buffer.refusal:
            return _FULL if self.buffer.is_full else _UNWRITABLE
        if self.flusher.is_unfit:
            return _UNFIT
        if self.flusher.failures and self.flusher.seconds_since_flush > UNREADY_AFTER_SECONDS:
            return _FAILS
        if self.flusher.seconds_in_flush > UNREADY_AFTER_SECONDS:
            return _HANGS
        return None
