"""What has been counted and is in no batch yet: a sum for each key."""

from __future__ import annotations

from collections import deque
from queue import SimpleQueue
from threading import RLock

from incrementer_client.errors import Closed, Full
from incrementer_client.limits import MAX_VALUE, MIN_VALUE, check_key, checked

_MAX_NESTED = 10_000
"""Most increments that wait because they came in the middle of another one."""


class Gathering:
    """Sums, behind a lock that is held for as long as it takes to add a number.

    Attributes:
        signals: gets something when the first key is there, when a batch is full, and when all has
            to go. A SimpleQueue, for a signal handler may come in the middle of a `put`.
    """

    def __init__(self, *, max_keys: int, batch_keys: int) -> None:
        self.signals: SimpleQueue[None] = SimpleQueue()
        self._lock = RLock()
        self._max_keys = max_keys
        self._batch_keys = batch_keys
        self._sums: dict[str, int] = {}
        self._held: dict[str, int] = {}  # sums that are taken, and in no batch yet
        self._again_keys = 0  # keys in both, which count once
        self._increments = 0
        self._taken_increments = 0
        self._is_adding = False
        self._nested: deque[tuple[str, int]] = deque()
        self._is_closed = False

    @property
    def increments(self) -> int:
        """How many have been accepted since the beginning."""
        return self._increments + len(self._nested)

    def add(self, key: str, value: int) -> None:
        """Add `value` to the sum of `key`. It waits for nothing but another thread's addition."""
        if type(key) is not str or type(value) is not int or not MIN_VALUE <= value <= MAX_VALUE:
            key, value = checked(key, value)
        with self._lock:
            if self._is_adding:
                self._add_nested(key, value)
                return
            self._is_adding = True
            try:
                # A key that is there has been checked, and the counter is open.
                if key in self._sums:
                    self._sums[key] += value
                else:
                    self._add_first(key, value)
                self._increments += 1
            finally:
                self._is_adding = False

    def _add_first(self, key: str, value: int) -> None:
        check_key(key)
        if self._is_closed:
            raise Closed("the counter is closed")
        keys = len(self._sums)
        if key in self._held:
            self._again_keys += 1
        elif keys + len(self._held) - self._again_keys >= self._max_keys:
            raise Full(f"{self._max_keys} keys wait to be sent: no other key is taken just now")
        # First, for a signal handler that raises may come in between.
        if keys == 0 or keys + 1 == self._batch_keys:
            self.signals.put(None)
        self._sums[key] = value

    def _add_nested(self, key: str, value: int) -> None:
        """Keep an increment from a signal handler or a `__del__`, for the next `take`.

        It comes in the middle of another one of the same thread, which may have read its sum.
        """
        check_key(key)
        if self._is_closed:
            raise Closed("the counter is closed")
        if len(self._nested) >= _MAX_NESTED:
            raise Full(f"{_MAX_NESTED} increments of signal handlers wait: no other is taken")
        self._nested.append((key, value))
        self.signals.put(None)

    def is_batch_full(self) -> bool:
        return len(self._sums) >= self._batch_keys

    def take(self) -> tuple[dict[str, int], int]:
        """Return all sums, and of how many increments they are; it begins anew with none.

        Their keys count against the limit until `let_go`.
        """
        with self._lock:
            self._is_adding = True
            try:
                while self._nested:
                    key, value = self._nested.popleft()
                    self._sums[key] = self._sums.get(key, 0) + value
                    self._increments += 1
                taken, self._sums = self._sums, {}
                self._held, self._again_keys = taken, 0
                increments = self._increments - self._taken_increments
                self._taken_increments = self._increments
            finally:
                self._is_adding = False
        return taken, increments

    def let_go(self) -> None:
        """Say that all that was taken is in batches."""
        with self._lock:
            self._held, self._again_keys = {}, 0

    def close(self) -> None:
        """Refuse all that comes after the next `take`, which gets all that has come."""
        with self._lock:
            self._is_closed = True
