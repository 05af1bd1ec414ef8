"""A client of the increment lane in this process: it has no socket, only bytes in and out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from uvicorn.config import Config
from uvicorn.server import ServerState

from incrementer_site.lane.lane import Lane
from incrementer_site.lane.protocol import IncrementProtocol

Application = Callable[[Any, Any, Any], Awaitable[None]]

QUIET_TURNS = 20
"""After so many turns of the event loop without a reply, no reply will come any more."""


class LaneClient(asyncio.Transport):
    """One connection to a lane, with this object in the place of the transport.

    Attributes:
        written: all bytes that the service has sent.
        has_ended: whether the service sends no more.
        reads_on: whether the service reads on.
    """

    def __init__(self, lane: Lane, application: Application) -> None:
        super().__init__()
        self.written = b""
        self.has_ended = False
        self.reads_on = True
        self._is_closing = False
        self._loop = asyncio.get_running_loop()
        self._protocol = IncrementProtocol(
            lane, _config(application), ServerState(), {}, self._loop
        )
        self._protocol.connection_made(self)

    async def send(self, *pieces: bytes) -> bytes:
        """Have the service read `pieces` one after the other; return what it answers."""
        before = len(self.written)
        for piece in filter(None, pieces):
            if self._is_closing:
                break
            assert self.reads_on, "it does not read on, though it has answered all that it read"
            self._protocol.data_received(piece)
            await self.settle()
        return self.written[before:]

    def deliver(self, piece: bytes) -> None:
        """Have the service read `piece`, and do not wait for what it does next."""
        self._protocol.data_received(piece)

    def take_no_replies(self) -> None:
        """Have as much unsent as may be."""
        self._protocol.pause_writing()

    def take_replies(self) -> None:
        self._protocol.resume_writing()

    async def leave(self) -> None:
        """Close the connection."""
        self.close()
        await self.settle()

    async def settle(self) -> None:
        """Wait until no more replies come."""
        quiet, length = 0, len(self.written)
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.written) == length else 0
            length = len(self.written)

    # What the service does with its transport

    def write(self, data: Any) -> None:
        assert not self.has_ended or self._is_closing, "it writes after the end"
        if not self._is_closing:
            self.written += data

    def write_eof(self) -> None:
        self.has_ended = True

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def close(self) -> None:
        self.has_ended = True
        if not self._is_closing:
            self._is_closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self.reads_on = False

    def resume_reading(self) -> None:
        self.reads_on = True


@cache
def _config(application: Application) -> Config:
    config = Config(application, ws="none", proxy_headers=False, log_config=None, access_log=False)
    config.load()
    return config
