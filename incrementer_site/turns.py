"""A few requests in each turn of the event loop, of those that it answers outside the lane."""

from __future__ import annotations

import asyncio
from collections import deque


class Turns:
    """Lets requests through in the order of their coming, a few in each turn.

    Otherwise a thousand clients that each ask for something would all be answered in one turn:
    a tenth of a second, in which nobody counts and nobody connects.
    """

    def __init__(self, places: int) -> None:
        self._places = self._left = places
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._will_renew = False

    async def place(self) -> None:
        """Return in a turn in which there is a place."""
        self._renew_soon()
        if self._left and not self._waiting:
            self._left -= 1
            return
        free = asyncio.get_running_loop().create_future()
        self._waiting.append(free)
        await free

    def _renew_soon(self) -> None:
        if not self._will_renew:
            self._will_renew = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        self._will_renew = False
        self._left = self._places
        while self._waiting and self._left:
            free = self._waiting.popleft()
            if not free.done():  # it is, where the request was given up
                free.set_result(None)
                self._left -= 1
        if self._waiting:
            self._renew_soon()
