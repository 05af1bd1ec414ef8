"""Ordinary requests, which the lane does not answer: uvicorn's protocol, with what it lacks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from typing import Any

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from incrementer_site.lane.heads import Headers


class Flow(FlowControl):
    """Reads on only when all that was read is under way and its replies are taken.

    uvicorn's own reads on with each reply, so that a client's pipeline could fill the memory.

    Attributes:
        has_unread: whether some of what arrived waits for a later turn of the event loop.
    """

    # It knows the pipeline and not the protocol, which knows it: such a circle would outlive its
    # connection until the garbage collector comes, which costs 3 us for each connection.
    def __init__(self, transport: asyncio.Transport, pipeline: Collection[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline
        self.has_unread = False

    def resume_reading(self) -> None:
        if not self._pipeline and not self.write_paused and not self.has_unread:
            super().resume_reading()


def _address(transport: asyncio.Transport, found: tuple[str, int] | None) -> Any:
    """Return the client's address and port, so that a proxy is known by them however it comes.

    On an IPv6 socket, an IPv4 client is "::ffff:127.0.0.1". On a Unix socket there is no address,
    and the client is on this machine.
    """
    if found is None:
        connection = transport.get_extra_info("socket")
        is_local = connection is not None and connection.family == socket.AF_UNIX
        return ("127.0.0.1", 0) if is_local else None
    host, port = found
    return host.removeprefix("::ffff:") if "." in host else host, port


class OrdinaryProtocol(HttpToolsProtocol):
    """The ordinary requests of one connection; another parser than uvicorn's reads them.

    One at a time is with Django; those that come meanwhile wait in `pipeline`, the latest first.
    """

    __slots__ = ("_running",)

    flow: Flow

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: RequestResponseCycle | None = None  # what Django has, or had last

    def has_ordinary(self) -> bool:
        """Whether an ordinary request is under way, or waits."""
        return self.cycle is not None and not self.cycle.response_complete

    def other_begins(
        self, parser: httptools.HttpRequestParser, target: bytes, headers: Headers
    ) -> None:
        self.parser = parser
        super().on_message_begin()
        self.url = target
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def other_body(self, body: bytes) -> None:
        super().on_body(body)

    def other_ends(self) -> None:
        super().on_message_complete()

    def close_after_ordinary(self, latest_is_whole: bool) -> bool:
        """Close once the ordinary requests that have arrived whole are answered.

        Args:
            latest_is_whole: whether the latest of them is; if not, it never will be.

        Returns:
            Whether there are any.
        """
        last: RequestResponseCycle | None = self.cycle
        if not latest_is_whole:
            last = self.cycle if self.drop_waiting() else None
        if last is None or last.response_complete:
            return False
        last.keep_alive = False
        return True

    def drop_waiting(self) -> bool:
        """Forget the latest ordinary request, if it waits for others; return whether."""
        if not self.pipeline:
            return False
        self.pipeline.popleft()
        self._latest_is(self.pipeline[0][0] if self.pipeline else self._running)
        return True

    def give_up_running(self) -> bool:
        """Have nobody answer the ordinary request under way; return False where one has begun."""
        running = self.cycle
        if running.response_started:
            return False
        running.disconnected = True  # it is told that the client has gone, and sends nothing
        running.message_event.set()
        self._latest_is(None)
        return True

    def _latest_is(self, cycle: RequestResponseCycle | None) -> None:
        self.cycle = cycle  # type: ignore[assignment]  # None before the first one, too

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport, self.pipeline)
        self.client = _address(transport, self.client)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running is not None:  # uvicorn tells the latest request only
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # a client that does not read its replies gets no more of them

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)
