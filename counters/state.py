"""How a process's counting goes: one snapshot, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass

from counters.buffer import BufferState
from counters.flusher import FlusherState

UNREADY_AFTER_SECONDS = 60
"""Without a good flush, or within one: from then on a process is not ready."""


@dataclass(frozen=True, slots=True)
class State:
    """What is pending, and how flushing goes."""

    buffer: BufferState
    flusher: FlusherState

    @property
    def last_error(self) -> str:
        """What went wrong last and does so still; empty where nothing does."""
        return self.flusher.error or self.buffer.write_error

    @property
    def trouble(self) -> str:
        """Why increments are not accepted, or do not get into the totals; empty while they do."""
        if self.buffer.refusal:
            return self.buffer.refusal
        if self.flusher.failures and self.flusher.seconds_since_flush > UNREADY_AFTER_SECONDS:
            return "the flush fails"
        if self.flusher.seconds_in_flush > UNREADY_AFTER_SECONDS:
            return "the flush does not end"
        return ""
