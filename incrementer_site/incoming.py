"""What a worker holds of requests that have not arrived whole, all clients together."""

from __future__ import annotations

from functools import cache

from django.conf import settings

from counters.web import replies
from counters.web.replies import Reply


class IncomingBytes:
    """Bounds the memory that arriving requests take. For the event loop's thread only.

    Without it, each of some thousand clients could hold back the last byte of a long body.

    An eighth is for reads that may be a whole request: an honest batch is let in beside clients
    that hold back all that they can.

    Attributes:
        max_bytes: the bound.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._left_bytes = max_bytes
        self._kept_free_bytes = max_bytes // 8

    def take(self, count_bytes: int, *, may_be_whole: bool = False) -> bool:
        """Return whether there is room for so many bytes more; if so, it is taken.

        Args:
            may_be_whole: whether they may be a whole request, which will not be waited for.
        """
        left_bytes = self._left_bytes - (0 if may_be_whole else self._kept_free_bytes)
        if count_bytes > left_bytes:
            return False
        self._left_bytes -= count_bytes
        return True

    def give_back(self, count_bytes: int) -> None:
        """Give back what `take` has taken."""
        self._left_bytes += count_bytes

    def no_room(self) -> Reply:
        """Return the reply to a request for which there is no room."""
        sentence = f"{self.max_bytes} bytes of requests have arrived already"
        return replies.unavailable(sentence, limit=self.max_bytes)


@cache
def incoming_increments() -> IncomingBytes:
    """Return what this worker may hold of increments."""
    return IncomingBytes(settings.MAX_INCOMING_BYTES)


@cache
def incoming_pages() -> IncomingBytes:
    """Return what this worker may hold of requests for pages.

    Anyone may send those. What they hold back must not keep from counting who has the token.
    """
    return IncomingBytes(settings.MAX_INCOMING_BYTES // 4)
