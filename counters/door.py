"""What stands behind `counters.increment` and `counters.increment_many`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from counters.increments import Batch, Increment, checked
from counters.journal import JournalUnwritable
from counters.recorder import recorder
from counters.room import Limit


class NotRecorded(Exception):
    """An increment was not recorded.

    Attributes:
        is_unknown: whether it may count all the same: the journal could not be forced to disk
            (`JOURNAL_FSYNC=always`). Otherwise it does not count.
    """

    def __init__(self, reason: str, is_unknown: bool = False) -> None:
        super().__init__(reason)
        self.is_unknown = is_unknown


def record_one(key: str, value: int) -> None:
    _record(checked(key, value))


def record_many(increments: Mapping[str, int] | Iterable[tuple[str, int]]) -> None:
    pairs = increments.items() if isinstance(increments, Mapping) else increments
    if batch := [checked(key, value) for key, value in pairs]:
        _record(Batch(batch))


def _record(request: Increment | Batch) -> None:
    try:
        running = recorder()
        receipt = running.record([request])
    except JournalUnwritable as error:
        raise NotRecorded(f"the journal cannot be written: {error}") from error
    if receipt.refused:
        limit = receipt.refused[0]
        assert isinstance(limit, Limit)
        raise NotRecorded(f"{limit.reached}, as many as {limit.setting} allows")
    if running.waits_for_sync:
        running.wait_for_sync()
        if not receipt.is_durable:
            raise NotRecorded(
                "the journal could not be forced to disk: it is not known whether this counts",
                is_unknown=True,
            )
