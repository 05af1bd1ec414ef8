"""Deltas per key, and the memory that they take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from itertools import islice

_STEP_KEYS = 1000
"""Keys that are handled at a time: requests wait a tenth of a millisecond."""

_ENTRY_BYTES = 100
"""What an entry takes besides the text of its key: its place in the dict, up to 80 bytes just after
the dict has grown, and its value."""
_ASCII_BYTES = "".__sizeof__()
"""What a text in ASCII takes besides its characters."""
MAX_ENTRY_BYTES = _ENTRY_BYTES + "\U0010ffff".__sizeof__() + 4 * 255
"""What the entry of the longest key takes, 255 characters of 4 bytes each."""


def memory_bytes(keys: Collection[str]) -> int:
    """Return what the entries of these keys take."""
    text = "".join(keys)
    if text.isascii():
        return len(text) + len(keys) * (_ASCII_BYTES + _ENTRY_BYTES)
    return sum(map(str.__sizeof__, keys)) + len(keys) * _ENTRY_BYTES


class Deltas:
    """The sum of increments for each key.

    Whoever records increments adds to `sums` itself: a call for each would be slow. The memory of
    new keys is counted later, by `count`.

    Attributes:
        sums: the sums. (A class that inherits from defaultdict adds to one a quarter slower.)
        memory_bytes: what the entries take that have been counted.
    """

    __slots__ = ("_counted", "memory_bytes", "sums")

    def __init__(self) -> None:
        self.sums: defaultdict[str, int] = defaultdict(int)
        self.memory_bytes = 0
        self._counted = 0  # how many keys; new ones come after those

    def count(self) -> None:
        """Count the memory of the keys that have come since the last call."""
        new = len(self.sums) - self._counted
        if new > 0:
            self.memory_bytes += memory_bytes(list(islice(reversed(self.sums), new)))
            self._counted += new

    def move_some_to(self, other: Deltas) -> None:
        """Add some of the deltas, which have been counted, to `other`, and forget them."""
        moved = []
        for _ in range(min(len(self.sums), _STEP_KEYS)):
            key, value = self.sums.popitem()
            other.sums[key] += value
            moved.append(key)
        self.memory_bytes -= memory_bytes(moved)

    def free(self) -> None:
        """Forget all, in steps: freeing a million keys at once would hold up requests."""
        while self.sums:
            for _ in range(min(len(self.sums), _STEP_KEYS)):
                self.sums.popitem()
            time.sleep(0)
        self.memory_bytes = 0
