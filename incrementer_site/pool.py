"""Places for work that may take long: a few run at a time, and not too many wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Busy(Exception):
    """No place was free in time, or too many wait for one already."""


class Pool:
    """Some places, given in the order in which they were asked for. Who waits takes no thread."""

    def __init__(self, *, places: int, max_waiting: int, max_wait_seconds: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._waiting = 0
        self._max_waiting = max_waiting
        self._max_wait_seconds = max_wait_seconds

    @asynccontextmanager
    async def place(self, given_up: asyncio.Future[None]) -> AsyncIterator[None]:
        """Wait for a place and hold it during the block.

        Args:
            given_up: once it is done, a request that still waits is to wait no longer.

        Raises:
            Busy: at once where too many wait; after the longest wait; or because it is given up.
        """
        if self._places.locked() and self._waiting >= self._max_waiting:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._max_wait_seconds) as limit:

                def end_wait(_: asyncio.Future[None]) -> None:
                    if waits:  # it may be called once more after it has been removed
                        limit.reschedule(0)

                waits = True
                given_up.add_done_callback(end_wait)
                try:
                    await self._places.acquire()
                finally:
                    waits = False
                    given_up.remove_done_callback(end_wait)
        except TimeoutError as error:
            raise Busy from error
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._places.release()
