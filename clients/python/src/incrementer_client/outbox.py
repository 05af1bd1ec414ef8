"""Where batches wait for their answer: in memory, or in a spool on disk."""

from __future__ import annotations

import logging
from typing import Protocol

from incrementer_client.batch import Batch
from incrementer_client.log import Log
from incrementer_client.uuid7 import uuid7

log = Log(logging.getLogger("incrementer_client"))


class Outbox(Protocol):
    """Batches, of which one thread puts in and another one takes out the oldest."""

    def put(self, batch: Batch) -> bool:
        """Take a batch in; return whether there was room."""

    def first(self) -> Batch | None:
        """Return the batch to be sent next, which stays here."""

    def begin(self, batch: Batch) -> bool:
        """Give it its id, if it has none, before it is sent for the first time.

        Returns:
            False where that could not be kept, so it must not be sent. That is logged.
        """

    def done(self, batch: Batch) -> None:
        """Forget a batch that counts."""

    def set_aside(self, batch: Batch, why: str, status: int) -> None:
        """Keep a batch that the service refuses where people find it, and log that."""

    def look_around(self) -> None:
        """Take over what others have left, if there is anything."""

    def waiting(self) -> int:
        """Return how many increments are here."""

    def used_bytes(self) -> int: ...

    def abandon(self, batches: list[Batch]) -> None:
        """End, with what is here and with `batches`, for which there was no room."""


class MemoryOutbox:
    """One batch at a time: all else stays summed, where another call for a key takes no memory."""

    def __init__(self) -> None:
        self._batch: Batch | None = None

    def put(self, batch: Batch) -> bool:
        if self._batch is not None:
            return False
        self._batch = batch
        return True

    def first(self) -> Batch | None:
        return self._batch

    def begin(self, batch: Batch) -> bool:
        batch.id = batch.id or str(uuid7())
        return True

    def done(self, batch: Batch) -> None:
        self._batch = None

    def set_aside(self, batch: Batch, why: str, status: int) -> None:
        self._batch = None
        log_refused(batch, why)

    def look_around(self) -> None:
        pass

    def waiting(self) -> int:
        batch = self._batch
        return 0 if batch is None else batch.increments

    def used_bytes(self) -> int:
        return 0

    def abandon(self, batches: list[Batch]) -> None:
        sent = self._batch
        for batch in [*filter(None, [sent]), *batches]:
            log_lost(batch)


def log_refused(batch: Batch, why: str) -> None:
    log.error("%s. These do not count, and are kept nowhere else: %s", why, _text(batch))


def log_lost(batch: Batch) -> None:
    """Log a batch that is kept nowhere else."""
    known = "these increments do not count"
    if batch.id is not None:
        known = f"it is not known whether these increments count (Idempotency-Key {batch.id})"
    log.error("The counter ends, and %s: %s", known, _text(batch))


def _text(batch: Batch) -> str:
    return batch.body.decode()
