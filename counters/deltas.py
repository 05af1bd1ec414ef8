"""Deltas per key, and the memory that they take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from itertools import islice

from counters.identified import Once

_STEP_KEYS = 1000
"""Keys that are handled at a time: requests wait a tenth of a millisecond."""

_ENTRY_BYTES = 100
"""What an entry takes besides the text of its key: its place in the dict, up to 80 bytes just after
the dict has grown, and its value."""
_ASCII_BYTES = "".__sizeof__()
"""What a text in ASCII takes besides its characters."""
_IDENTIFIED_BYTES = 250
"""What the entry of an id takes besides its text and its increments."""
MAX_ENTRY_BYTES = _ENTRY_BYTES + "\U0010ffff".__sizeof__() + 4 * 255
"""What the entry of the longest key takes, 255 characters of 4 bytes each."""


def memory_bytes(keys: Collection[str]) -> int:
    """Return what the entries of these keys take."""
    text = "".join(keys)
    if text.isascii():
        return len(text) + len(keys) * (_ASCII_BYTES + _ENTRY_BYTES)
    return sum(map(str.__sizeof__, keys)) + len(keys) * _ENTRY_BYTES


def identified_bytes(id_: str, once: Once) -> int:
    """Return what the entry of an id takes, with the increments."""
    return len(id_) + _IDENTIFIED_BYTES + memory_bytes([key for key, _ in once.pairs])


class Deltas:
    """The sum of increments for each key.

    Whoever records increments adds to `sums` itself: a call for each would be slow. The memory of
    new keys is counted later, by `count`.

    Attributes:
        sums: the sums. (A class that inherits from defaultdict adds to one a quarter slower.)
        identified: what is to be added once, by the ids of its requests. Whether an id is new, the
            database knows: so it stays apart until it is flushed.
        identified_increments: how many increments these have.
        memory_bytes: what the entries take that have been counted.
    """

    __slots__ = ("_counted", "identified", "identified_increments", "memory_bytes", "sums")

    def __init__(self) -> None:
        self.sums: defaultdict[str, int] = defaultdict(int)
        self.identified: dict[str, Once] = {}
        self.identified_increments = 0
        self.memory_bytes = 0
        self._counted = 0  # how many keys; new ones come after those

    def count(self) -> None:
        """Count the memory of the keys that have come since the last call."""
        new = len(self.sums) - self._counted
        if new > 0:
            self.memory_bytes += memory_bytes(list(islice(reversed(self.sums), new)))
            self._counted += new

    @property
    def entries(self) -> int:
        """How many keys there are, and increments with ids."""
        return len(self.sums) + self.identified_increments

    def add_once(self, id_: str, once: Once) -> None:
        """Keep what is to be added once, unless the id is here already."""
        if self.identified.setdefault(id_, once) is once:
            self.identified_increments += len(once.pairs)
            self.memory_bytes += identified_bytes(id_, once)

    def move_some_to(self, other: Deltas) -> None:
        """Add some of the deltas, which have been counted, to `other`, and forget them."""
        for _ in range(min(len(self.identified), _STEP_KEYS)):
            id_, once = self.identified.popitem()
            other.add_once(id_, once)
            self.identified_increments -= len(once.pairs)
            self.memory_bytes -= identified_bytes(id_, once)
        moved = []
        for _ in range(min(len(self.sums), _STEP_KEYS)):
            key, value = self.sums.popitem()
            other.sums[key] += value
            moved.append(key)
        self.memory_bytes -= memory_bytes(moved)

    def free(self) -> None:
        """Forget all, in steps: freeing a million keys at once would hold up requests."""
        for entries in self.sums, self.identified:
            while entries:
                for _ in range(min(len(entries), _STEP_KEYS)):
                    entries.popitem()
                time.sleep(0)
        self.identified_increments = self.memory_bytes = 0
