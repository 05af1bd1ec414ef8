"""The increment lane gets bytes from a client in this process."""

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

import counters.recorder  # noqa: E402
from counters.config import config  # noqa: E402
from counters.reader import read_records  # noqa: E402
from counters.recorder import Recorder  # noqa: E402
from counters.web.increment import PATH, increment  # noqa: E402
from counters.web.replies import error  # noqa: E402
from incrementer_site.lane.lane import Lane  # noqa: E402
from incrementer_site.lane.limits import Limits  # noqa: E402
from tests.fuzz.account import Account  # noqa: E402
from tests.fuzz.obvious import Unjudged, read_requests  # noqa: E402
from tests.fuzz.streams import draw_stream  # noqa: E402
from tests.testbed.lane_client import LaneClient  # noqa: E402
from tests.testbed.replies import ReplyReader  # noqa: E402

SEPARATOR = b"\x1e"
"""Stands in the input between pieces that arrive one by one; it has no meaning in HTTP."""
SEEDS = [draw_stream(Random(number), "k") for number in range(200)]


async def _ordinary_way(scope: Any, receive: Any, send: Any) -> None:
    """Answer instead of Django what the lane does not answer."""
    request = HttpRequest()
    request._body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        request._body += message["body"]
        more = message["more_body"]
    request.method = scope["method"]
    request.META = {
        "CONTENT_TYPE": _header(scope, b"content-type"),
        "HTTP_TRANSFER_ENCODING": _header(scope, b"transfer-encoding"),
    }
    if any(name == b"idempotency-key" for name, _ in scope["headers"]):
        request.META["HTTP_IDEMPOTENCY_KEY"] = _header(scope, b"idempotency-key")
    is_known = scope["path"] == PATH
    response = increment(request) if is_known else error(404, "there is nothing").to_django()
    headers = [(b"content-length", response.headers["Content-Length"].encode())]
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})


def _header(scope: Any, wanted: bytes) -> str:
    return b",".join(value for name, value in scope["headers"] if name == wanted).decode("latin1")


class _Alarm(logging.Handler):
    """Collects errors that are logged: there must be none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(self.format(record))


_alarm = _Alarm()
logging.getLogger().addHandler(_alarm)
_running = counters.recorder._recorder = Recorder(config())  # not started: only `_take` flushes
_loop = asyncio.new_event_loop()
_lane = Lane(Limits())


def check(data: bytes) -> None:
    """Send `data` on a connection, in the pieces between separators."""
    try:
        requests = read_requests(data.replace(SEPARATOR, b""))
    except Unjudged:
        return
    client = _loop.run_until_complete(_talk(data.split(SEPARATOR)))
    reader = ReplyReader(BytesIO(client.written))
    replies = [reader.next(request.method) for request in requests]
    statuses = [reply.status if reply else None for reply in replies]
    assert client.has_ended or None not in statuses, "a reply is missing"
    while reply := reader.next():
        statuses.append(reply.status)
    account = Account()
    account.note(requests, statuses)
    account.check(_take())
    _loop.run_until_complete(client.leave())
    assert not _alarm.messages, _alarm.messages


async def _talk(pieces: list[bytes]) -> LaneClient:
    client = LaneClient(_lane, _ordinary_way)
    await client.send(*pieces)
    return client


def _take() -> dict[str, int]:
    """Return the deltas, and leave the buffer empty."""
    buffer = _running._buffer
    if buffer.state().journal_bytes == 0:
        return {}
    found = buffer.flushed_until()
    assert found is not None
    pending = buffer.take(found[0])
    assert pending is not None
    deltas = dict(pending.deltas.sums)
    with pending.journal.open() as file:
        header = pending.journal.header
        read = read_records(file, header, pending.start, pending.end, past_damage=False)
    assert read.deltas == deltas
    buffer.flushed(pending)
    return deltas
