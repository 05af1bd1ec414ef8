"""The receipt: what became of requests that were recorded together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from counters.identified import IdReused
from counters.journal import Journal
from counters.room import Limit


@dataclass(slots=True)
class Receipt:
    """Where they stand in the journal, and which of them were refused."""

    journal: Journal | None
    """None where all were refused."""
    end: int
    """Where their record ends in the journal."""
    refused: Mapping[int, Limit | IdReused]
    """The places of those for which there was no room, each with the limit. They do not count."""

    @property
    def is_durable(self) -> bool:
        """Whether the disk is known to hold all of them."""
        return self.journal is None or self.journal.synced >= self.end
