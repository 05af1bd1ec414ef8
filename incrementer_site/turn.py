"""One turn of the event loop: the increments that arrive in it are recorded and answered together.

Together they cost one write to the journal (each batch has another), and one sync with
`JOURNAL_FSYNC=always`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection
from functools import cached_property
from typing import Any, Protocol

from django.http import HttpRequest, HttpResponse

from counters import views
from counters.journal import JournalUnwritable
from counters.middleware import INCREMENT_PATH
from counters.service import service

logger = logging.getLogger(__name__)

_LONGEST = 1000
"""Increments answered together at the most, so that a pipeline of millions stalls nobody."""

_WRITTEN_LATER = (views.Recorded,)
"""Replies that a failure of the turn's write makes wrong. A batch has had a write of its own."""
_ACCEPTED = (views.Recorded, views.RecordedAtOnce)
"""Replies that a failure of the sync makes wrong."""

Headers = list[tuple[bytes, bytes]]


class LaneRequest(HttpRequest):
    """What the view needs of a request; `META` is made only for a view that looks into it.

    One object serves all requests with the same head, one after the other: their body is put in.

    Attributes:
        body_length: in bytes.
        closes: whether the client wants the connection closed after the reply.
    """

    path = path_info = INCREMENT_PATH
    body = b""  # an attribute, where Django's own is a property that reads

    def __init__(self, headers: Headers, content_type: str, body_length: int, closes: bool) -> None:
        self.method = "POST"
        self.content_type = content_type
        self.body_length = body_length
        self.closes = closes
        self._headers = headers

    @cached_property
    def META(self) -> dict[str, Any]:  # type: ignore[override]  # noqa: N802
        meta: dict[str, Any] = {}
        for name, value in self._headers:
            key = "HTTP_" + name.decode("latin1").upper().replace("-", "_")
            text = value.decode("latin1")
            meta[key] = f"{meta[key]},{text}" if key in meta else text
        return meta


class Connection(Protocol):
    """Where a request came from, and its reply goes."""

    def reply(self, response: HttpResponse, close: bool) -> None: ...


_Arrival = tuple[Connection, LaneRequest, bytes]
"""Where from, and the request with its body."""


class Turn:
    """The increments that have arrived since the event loop last came round."""

    def __init__(self) -> None:
        self._arrivals: list[_Arrival] = []

    def __len__(self) -> int:
        return len(self._arrivals)

    def add(self, connection: Connection, request: LaneRequest, body: bytes) -> None:
        """Have an increment answered with the others of this turn, in the order of their coming."""
        if not self._arrivals:
            asyncio.get_running_loop().call_soon(self.answer)
        self._arrivals.append((connection, request, body))
        if len(self._arrivals) == _LONGEST:
            self.answer()

    def answer(self) -> None:
        """Record and answer what has arrived; the event loop calls it at the end of its turn."""
        arrivals, self._arrivals = self._arrivals, []
        running = service()
        failures = running.buffer.sync_failures
        responses: list[HttpResponse] = []
        try:
            with running.buffer.group():
                for _, request, body in arrivals:
                    request.body = body
                    responses.append(_response(request))
                    request.body = b""  # it is not to be kept until the same head comes again
        except JournalUnwritable as error:
            responses = _instead_of(_WRITTEN_LATER, views.journal_unwritable(error), responses)
        if not running.sync_always:
            _reply(arrivals, responses)
            return
        # What is recorded is not to be kept for as long as the disk takes, which may be long.
        arrivals = [(connection, request, b"") for connection, request, _ in arrivals]

        def reply_after_sync() -> None:
            failed = running.buffer.sync_failures != failures
            _reply(
                arrivals,
                _instead_of(_ACCEPTED, views.sync_failed(), responses) if failed else responses,
            )

        loop = asyncio.get_running_loop()
        running.syncer.call_after_sync(lambda: loop.call_soon_threadsafe(reply_after_sync))


def _response(request: LaneRequest) -> HttpResponse:
    try:
        return views.increment(request)
    except Exception:  # one request's trouble is not that of the others in its turn
        logger.exception("POST %s failed.", INCREMENT_PATH)
        return views.reply(500, {"error": "the server failed; its log says how"})


def _instead_of(
    kinds: Collection[type[HttpResponse]], failure: HttpResponse, responses: list[HttpResponse]
) -> list[HttpResponse]:
    return [failure if each.__class__ in kinds else each for each in responses]


def _reply(arrivals: list[_Arrival], responses: list[HttpResponse]) -> None:
    for (connection, request, _), response in zip(arrivals, responses, strict=True):
        connection.reply(response, request.closes)
    if len(arrivals) > 1:
        # There is a load. Who waits for this CPU may be its source: once that has had its turn, the
        # next requests are there together, and not one by one, each at the price of a wake-up.
        os.sched_yield()
