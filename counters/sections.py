"""From requests to the sections of one record."""

from __future__ import annotations

from collections.abc import Sequence

from counters.increments import Batch, Increment
from counters.records import batch_section, increments_section


def split(requests: Sequence[Increment | Batch]) -> tuple[list[Increment], list[Batch]]:
    """Return the single increments of `requests`, and the batches."""
    singles = [request for request in requests if isinstance(request, Increment)]
    if len(singles) == len(requests):
        return singles, []
    return singles, [request for request in requests if isinstance(request, Batch)]


def sections_of(singles: Sequence[Increment], batches: Sequence[Batch]) -> list[bytes]:
    """Return the parts of one section for all single increments, and one for each batch."""
    parts = increments_section(singles) if singles else []
    for batch in batches:
        if batch.json:
            parts += batch_section(batch.json)
        else:
            parts += increments_section(batch.increments)
    return parts
