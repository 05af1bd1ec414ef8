"""The increment lane, fed with bytes by a stand-in for a connection."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from io import BytesIO
from random import Random
from typing import Any

_folder = tempfile.mkdtemp(prefix="fuzz-")
os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"
os.environ["JOURNAL_DIR"] = _folder

import django  # noqa: E402

django.setup()

from django.http import HttpRequest  # noqa: E402
from uvicorn.config import Config  # noqa: E402
from uvicorn.server import ServerState  # noqa: E402

import counters.service  # noqa: E402
from counters import views  # noqa: E402
from counters.journal import read_tail  # noqa: E402
from counters.middleware import INCREMENT_PATH  # noqa: E402
from counters.service import Service  # noqa: E402
from incrementer_site import lane  # noqa: E402
from tests.fuzz.account import Account  # noqa: E402
from tests.fuzz.obvious import Unjudged, read_requests  # noqa: E402
from tests.fuzz.streams import draw_stream  # noqa: E402
from tests.testbed.replies import ReplyReader  # noqa: E402

SEPARATOR = b"\x1e"
"""Stands in the input between what arrives at once; it has no meaning in HTTP."""
SEEDS = [draw_stream(Random(number), "k") for number in range(200)]
QUIET_TURNS = 20
"""Turns of the event loop without a reply, after which none is on its way."""


async def _ordinary_way(scope: Any, receive: Any, send: Any) -> None:
    """Stand in for Django, which answers what does not go the lane's way."""
    request = HttpRequest()
    request._body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        request._body += message["body"]
        more = message["more_body"]
    request.method = scope["method"]
    types = [value for name, value in scope["headers"] if name == b"content-type"]
    request.content_type = b",".join(types).decode("latin1").partition(";")[0].strip().lower()
    is_known = scope["path"] == INCREMENT_PATH
    response = views.increment(request) if is_known else views.reply(404, {})
    headers = [(b"content-length", response.headers["Content-Length"].encode())]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


class _Alarm(logging.Handler):
    """Collects what is logged as an error: there is to be none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


class _Connection(asyncio.Transport):
    """A stand-in for a connection: keeps what is written, and does as it is told."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self.written = b""
        self.has_ended = False
        self._is_reading = True
        self._is_closing = False
        self._loop = loop
        self._protocol = lane.IncrementProtocol(_config, ServerState(), {}, loop)
        self._protocol.connection_made(self)

    async def send(self, pieces: list[bytes]) -> None:
        """Have the service read `pieces` one after the other, and do all it does then."""
        for piece in filter(None, pieces):
            if self._is_closing:
                return
            assert self._is_reading, "it stopped reading, and has nothing to do"
            self._protocol.data_received(piece)
            await self._settle()

    async def leave(self) -> None:
        self.close()
        await self._settle()

    async def _settle(self) -> None:
        quiet, length = 0, len(self.written)
        while quiet < QUIET_TURNS:
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.written) == length else 0
            length = len(self.written)

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
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True


_alarm = _Alarm()
logging.getLogger().addHandler(_alarm)
_running = counters.service._service = Service()  # not started: only `_take` flushes
_config = Config(
    _ordinary_way,
    http=lane.IncrementProtocol,
    ws="none",
    proxy_headers=False,
    log_config=None,
    access_log=False,
)
_loop = asyncio.new_event_loop()
lane.IncrementProtocol.tick()  # as a worker does before it serves


def check(data: bytes) -> None:
    """Send `data` on a connection, in the pieces between separators."""
    try:
        requests = read_requests(data.replace(SEPARATOR, b""))
    except Unjudged:
        return
    connection = _Connection(_loop)
    _loop.run_until_complete(connection.send(data.split(SEPARATOR)))
    reader = ReplyReader(BytesIO(connection.written))
    replies = [reader.next(request.method) for request in requests]
    statuses = [reply.status if reply else None for reply in replies]
    assert connection.has_ended or None not in statuses, "a reply is missing"
    while reply := reader.next():
        statuses.append(reply.status)
    account = Account()
    account.note(requests, statuses)
    account.check(_take())
    _loop.run_until_complete(connection.leave())
    assert not _alarm.messages, _alarm.messages


def _take() -> dict[str, int]:
    """Return what counts now, and begin anew."""
    buffer = _running.buffer
    if not buffer.has_work:
        return {}
    pending = buffer.take()
    deltas = dict(pending.deltas)
    assert read_tail(pending.journal.path, pending.start, pending.end).deltas == deltas
    buffer.flushed(pending)
    return deltas
