"""Clients that do harm, or much at once, beside ordinary ones: until SIGTERM.

    python -m tests.torture.neighbour PORT KIND CONNECTIONS SEED READY

`KINDS` has the kinds. Once all connections are made, READY gets a line. At the end stdout gets one
line of JSON: how many replies had which status.

They run beside the service on the same CPUs, and would be on other machines. So they cost little:
requests are prebuilt, and the process is nice.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import cast

import uvloop

from tests.torture import neighbour_requests as requests

_PIECE_BYTES = 2**16
_AGAIN_SECONDS = 0.5
"""From a connection's end to the next one in its place."""

_replies: Counter[str] = Counter()

_find_length = re.compile(rb"(?i)\r\ncontent-length: *(\d+)").search


class _Neighbour(asyncio.Protocol):
    """One connection; when it ends, another one takes its place."""

    def __init__(self, port: int, requests: Iterator[bytes], connected: asyncio.Semaphore) -> None:
        self._port = port
        self._requests = requests
        self._connected = connected
        self._received = b""
        self._transport: asyncio.Transport

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", self._port)
                return
            except OSError:
                await asyncio.sleep(_AGAIN_SECONDS)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""
        self._connected.release()
        self.begin()

    def connection_lost(self, exc: Exception | None) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(_AGAIN_SECONDS, lambda: _tasks.add(loop.create_task(self.connect())))

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := _reply_end(self._received)) is not None:
            _replies[self._received[9:12].decode(errors="replace")] += 1
            self._received = self._received[end:]
            self.go_on()

    def begin(self) -> None:
        """Send what comes first."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Send what comes after a reply."""


_tasks: set[asyncio.Task[None]] = set()
"""Those that connect again: asyncio itself keeps no reference to them."""


def _reply_end(received: bytes) -> int | None:
    """Return where the first reply ends; None where it is not all there."""
    head = received.find(b"\r\n\r\n")
    if head < 0:
        return None
    if length := _find_length(received, 0, head):
        end = head + 4 + int(length[1])
        return end if len(received) >= end else None
    last = received.find(b"\r\n0\r\n\r\n", head)  # it is chunked
    return None if last < 0 else last + 7


class _Repeater(_Neighbour):
    """Sends a request, and the next one as soon as the reply is there."""

    def begin(self) -> None:
        self._transport.write(next(self._requests))

    go_on = begin


class _Pipeliner(_Neighbour):
    """Sends one request after the other and waits for no reply."""

    def begin(self) -> None:
        self._may_write = True
        self._write()

    def _write(self) -> None:
        if self._may_write and not self._transport.is_closing():
            self._transport.write(next(self._requests))
            asyncio.get_running_loop().call_soon(self._write)

    def data_received(self, data: bytes) -> None:
        _replies["200"] += data.count(b"HTTP/1.1 200")

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self.begin()


class _Holder(_Neighbour):
    """Sends a request without its last byte, and waits."""

    def begin(self) -> None:
        self._transport.set_write_buffer_limits(high=0)
        self._request = next(self._requests)
        self._sent = 0
        self._may_write = True
        self._write()

    def _write(self) -> None:
        last = len(self._request) - 1
        while self._may_write and self._sent < last and not self._transport.is_closing():
            end = min(self._sent + _PIECE_BYTES, last)
            self._transport.write(self._request[self._sent : end])
            self._sent = end

    def pause_writing(self) -> None:
        self._may_write = False

    def resume_writing(self) -> None:
        self._may_write = True
        self._write()


KINDS: dict[str, tuple[type[_Neighbour], Callable[[int], list[bytes]]]] = {
    "worst bodies": (_Repeater, requests.worst_bodies),
    "batches": (_Repeater, requests.batches),
    "passwords": (_Repeater, requests.passwords),
    "health": (_Repeater, requests.health),
    "held back": (_Holder, requests.held_back),
    "pipelined": (_Pipeliner, requests.pipelined),
}


async def main(port: int, kind: str, connections: int, ready: Path) -> None:
    protocol, build = KINDS[kind]
    built = cycle(build(port))
    connected = asyncio.Semaphore(0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _end)
    for _ in range(connections):
        await protocol(port, built, connected).connect()
    for _ in range(connections):
        await connected.acquire()
    ready.write_text("ready\n")
    await asyncio.Event().wait()  # for ever


def _end() -> None:
    print(json.dumps(_replies), flush=True)
    os._exit(0)  # thousands of connections need not be closed one by one


if __name__ == "__main__":
    os.nice(10)
    _, _most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (_most, _most))
    uvloop.run(main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), Path(sys.argv[5])))
