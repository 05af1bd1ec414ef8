"""What a worker holds of requests that have not arrived whole, all clients together."""

from __future__ import annotations

from functools import cache

from django.conf import settings


class IncomingBytes:
    """Bounds the memory that arriving requests take. For the event loop's thread only.

    Without it, each of some thousand clients could hold back the last byte of a long body.

    Attributes:
        max_bytes: the bound.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._left_bytes = max_bytes

    def take(self, count_bytes: int) -> bool:
        """Return whether there is room for so many bytes more; if so, it is taken."""
        if count_bytes > self._left_bytes:
            return False
        self._left_bytes -= count_bytes
        return True

    def give_back(self, count_bytes: int) -> None:
        """Give back what `take` has taken."""
        self._left_bytes += count_bytes


@cache
def incoming_bytes() -> IncomingBytes:
    """Return this worker's own."""
    return IncomingBytes(settings.MAX_INCOMING_BYTES)
