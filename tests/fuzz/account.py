"""The account: it compares the totals with what the replies say that counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from threading import Lock

from counters.increments import MAX_VALUE, MIN_VALUE
from tests.fuzz.obvious import Request


class Account:
    """The least and the most that each key's total may be. Threads may share an account.

    Attributes:
        acknowledged: how many requests got 200 and have to count.
    """

    def __init__(self) -> None:
        self.acknowledged = 0
        self._lock = Lock()
        self._least: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def note(self, requests: list[Request], statuses: list[int | None]) -> None:
        """Note the whole requests of a connection, and the statuses of the replies to them.

        A status is None where the connection ended before the reply. There may be more statuses
        than requests: then something that is no whole request was answered too.

        Raises:
            AssertionError: a request must not get that status.
        """
        for request, status in zip(requests, statuses, strict=False):
            self._note(request, status)
        for status in statuses[len(requests) :]:
            assert status in range(400, 500), status

    def _note(self, request: Request, status: int | None) -> None:
        assert status is None or 200 <= status < 500, status
        is_sure = request.plain and status is not None
        if is_sure:
            # The obvious reader accepts some requests that the service's parser refuses.
            assert status in ((200, 400) if request.increments else range(400, 500)), status
        if status not in (None, 200):
            return
        with self._lock:
            self.acknowledged += is_sure
            for key, value in request.increments:
                self._least[key] += value if is_sure else min(value, 0)
                self._most[key] += value if is_sure else max(value, 0)

    def check(self, totals: Mapping[str, int]) -> None:
        """Compare `totals` with what was noted.

        Raises:
            AssertionError: one is too high or too low.
        """
        unknown = totals.keys() - self._most.keys()
        assert not unknown, f"no request had the keys {unknown}"
        for key in self._most:
            least = max(self._least[key], MIN_VALUE)
            most = min(self._most[key], MAX_VALUE)
            assert least <= totals.get(key, 0) <= most, f"{key!r}: {least} to {most}"
