"""Room for new keys: how much there is, and which requests it is enough for."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from counters.deltas import MAX_ENTRY_BYTES, Deltas, id_memory_bytes, memory_bytes
from counters.identified import Identified
from counters.increments import increments_of
from counters.sections import Request

logger = logging.getLogger(__name__)

_LOOK_AGAIN_INCREMENTS = 10_000
"""After so many increments their keys are counted, in a millisecond at the most."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit of what may be pending."""

    setting: str
    """The name of the setting."""
    most: int
    reached: str
    """What is so when the limit has been reached."""


NOTHING_REFUSED: Mapping[int, Limit] = {}


class Room:
    """The limits of what is pending: in the deltas, and in those that a flush has taken.

    Attributes:
        sure_increments: for so many increments there is room, whatever their keys are. Who records
            some subtracts how many they were; `refused` has to be asked only where there are more.
    """

    def __init__(self, max_keys: int, max_bytes: int) -> None:
        self.sure_increments = 0
        self._keys = Limit(
            "MAX_PENDING_KEYS",
            max_keys,
            f"{max_keys} keys and ids of requests wait to be flushed",
        )
        self._bytes = Limit(
            "MAX_PENDING_BYTES",
            max_bytes,
            f"the keys and ids that wait to be flushed take {max_bytes} bytes of memory",
        )
        self._has_told = False

    def refused(
        self, requests: Sequence[Request], increments: int, deltas: Deltas, taken: Deltas
    ) -> Mapping[int, Limit]:
        """Return the places of the requests that there is no room for, with the limit of each.

        Room is taken in the order of the requests, and only by keys that are not in `deltas`, and
        by new ids. With room for one: of [new, held, other, new], the third is refused.

        Args:
            increments: how many the requests have together.
            taken: what a flush has taken.
        """
        keys, bytes_ = self._left(deltas, taken)
        sure = min(keys, bytes_ // MAX_ENTRY_BYTES)
        self.sure_increments = min(sure, _LOOK_AGAIN_INCREMENTS)
        if increments <= sure:
            return NOTHING_REFUSED
        new: set[str] = set()
        refused = {}
        for place, request in enumerate(requests):
            if isinstance(request, Identified):
                if request.id in deltas.identified or request.id in taken.identified:
                    continue  # a copy: it adds nothing
                ids, added = [request.id], request.increments
            else:
                ids, added = [], increments_of(request)
            wanted = {each.key for each in added if each.key not in deltas.sums} - new
            entries = len(wanted) + len(ids)
            wanted_bytes = memory_bytes(wanted) + id_memory_bytes(ids)
            if entries and entries > keys:
                refused[place] = self._keys
            elif entries and wanted_bytes > bytes_:
                refused[place] = self._bytes
            else:
                new |= wanted
                keys -= entries
                bytes_ -= wanted_bytes
        if refused:
            self._tell(next(iter(refused.values())))
        return refused

    def reached(self, deltas: Deltas, taken: Deltas) -> Limit | None:
        """Return the limit for which a new key may be refused now; None where there is none."""
        keys, bytes_ = self._left(deltas, taken)
        if keys <= 0:
            return self._keys
        return self._bytes if bytes_ < MAX_ENTRY_BYTES else None

    def flushed(self) -> None:
        """Note that a flush succeeded, so that a limit that is reached later is told of again."""
        self._has_told = False

    def _left(self, deltas: Deltas, taken: Deltas) -> tuple[int, int]:
        deltas.count()
        return (
            self._keys.most - deltas.entries - taken.entries,
            self._bytes.most - deltas.memory_bytes - taken.memory_bytes,
        )

    def _tell(self, limit: Limit) -> None:
        if not self._has_told:
            self._has_told = True
            logger.warning(
                "%s: increments of other keys, and all with new ids, get 503 until a flush has"
                " succeeded. (%s)",
                limit.reached.capitalize(),
                limit.setting,
            )
