"""Deltas per key, and the memory that they take."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from itertools import islice

from counters.identified import Copy

_STEP_KEYS = 1000
"""Keys that are handled at a time: requests wait a tenth of a millisecond."""

_ENTRY_BYTES = 100
"""What an entry takes besides the text of its key: its place in the dict, up to 80 bytes just after
the dict has grown, and its value."""
_ASCII_BYTES = "".__sizeof__()
"""What a text in ASCII takes besides its characters."""
_ID_BYTES = 250
"""What the entry of an id takes besides its characters: a place in a dict, and a copy."""
MAX_ENTRY_BYTES = _ENTRY_BYTES + "\U0010ffff".__sizeof__() + 4 * 255
"""What the entry of the longest key takes, 255 characters of 4 bytes each."""


def memory_bytes(keys: Collection[str]) -> int:
    """Return what the entries of these keys take."""
    text = "".join(keys)
    if text.isascii():
        return len(text) + len(keys) * (_ASCII_BYTES + _ENTRY_BYTES)
    return sum(map(str.__sizeof__, keys)) + len(keys) * _ENTRY_BYTES


def id_memory_bytes(ids: Collection[str]) -> int:
    """Return what the entries of these ids of requests take."""
    return len("".join(ids)) + len(ids) * _ID_BYTES


class Deltas:
    """The sum of increments for each key, and the ids of the requests among them that have one.

    Whoever records increments adds to `sums` and `identified` itself: a call for each would be
    slow. The memory of new entries is counted later, by `count`.

    Attributes:
        sums: the sums. (A class that inherits from defaultdict adds to one a quarter slower.)
        identified: where the requests with ids stand, by their ids; each is in the sums once.
            Whether its id is new, the database knows: a flush takes back what was counted before.
        memory_bytes: what the entries take that have been counted.
    """

    __slots__ = ("_counted_ids", "_counted_keys", "identified", "memory_bytes", "sums")

    def __init__(self) -> None:
        self.sums: defaultdict[str, int] = defaultdict(int)
        self.identified: dict[str, Copy] = {}
        self.memory_bytes = 0
        self._counted_keys = 0  # new ones come after those
        self._counted_ids = 0

    def count(self) -> None:
        """Count the memory of the entries that have come since the last call."""
        keys = len(self.sums) - self._counted_keys
        if keys > 0:
            self.memory_bytes += memory_bytes(list(islice(reversed(self.sums), keys)))
            self._counted_keys += keys
        ids = len(self.identified) - self._counted_ids
        if ids > 0:
            self.memory_bytes += id_memory_bytes(list(islice(reversed(self.identified), ids)))
            self._counted_ids += ids

    @property
    def entries(self) -> int:
        """How many keys there are, and ids."""
        return len(self.sums) + len(self.identified)

    def move_some_to(self, other: Deltas) -> None:
        """Add some of the deltas, which have been counted, to `other`, and forget them."""
        ids, keys = [], []
        for _ in range(min(len(self.identified), _STEP_KEYS)):
            id_, copy = self.identified.popitem()
            other.identified[id_] = copy
            ids.append(id_)
        for _ in range(min(len(self.sums), _STEP_KEYS)):
            key, value = self.sums.popitem()
            other.sums[key] += value
            keys.append(key)
        self.memory_bytes -= id_memory_bytes(ids) + memory_bytes(keys)

    def free(self) -> None:
        """Forget all, in steps: freeing a million keys at once would hold up requests."""
        for entries in self.sums, self.identified:
            while entries:
                for _ in range(min(len(entries), _STEP_KEYS)):
                    entries.popitem()
                time.sleep(0)
        self.memory_bytes = 0
