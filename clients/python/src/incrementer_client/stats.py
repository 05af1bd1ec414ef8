"""What a counter says about itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stats:
    """Numbers of this process since its first increment.

    What was taken over from a process that is gone is in `queued`, and in `sent` once it counts.
    """

    queued: int
    """Increments that are gathered or wait in a batch, not answered yet."""
    sent: int
    """Increments that the service has answered with 200: they count."""
    refused: int
    """Increments that the service will not count, or whose id had become too old to know; they are
    in the spool's folder `refused`, or without a spool in the log."""
    sent_batches: int
    """Batches that count."""
    retried: int
    """Attempts with a batch after its first one."""
    spool_bytes: int
    """What the spool takes on disk, of all processes; 0 without one."""
