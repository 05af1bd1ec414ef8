"""The increment lane: `POST /increment` answered straight from the HTTP parser's callbacks.

An ordinary request becomes an ASGI scope, a task, and a trip through Django. An increment needs
none of that: at the end of this turn of the event loop it goes to the view, with the others that
came in it (turn.py), and its reply is one write. Whatever is not a plain `POST /increment` goes the
ordinary way, through the parent class.

The parent's internals are used freely, so its version is pinned exactly in requirements.txt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import httptools
from django.http import HttpResponse
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from counters import views
from counters.config import config
from counters.middleware import INCREMENT_PATH
from incrementer_site.turn import Headers, LaneRequest, Turn

MAX_HEAD_BYTES = 64 * 1024
"""Most bytes of a request line and headers, or of chunk sizes and trailers, not counting the read
that they begin in."""
MAX_CONNECTIONS = 4096
"""Connections that one worker serves. As many again get 503, and what is beyond is cut off."""
REQUEST_DEADLINE = 20
"""Seconds that a whole request may take to arrive, and a reply to be read."""

_LINGER = 1
"""Seconds that a refused client gets to read why."""
_KNOWN_HEADS = 512
"""Heads that a worker remembers, each at most `_KNOWN_HEAD_BYTES` long."""
_KNOWN_HEAD_BYTES = 1024
_MOST_UNANSWERED = 100
"""Increments of one connection that wait for their replies before it is read no further."""

_PATH = INCREMENT_PATH.encode()


def _serialize(response: HttpResponse, default_headers: Headers, close: bool) -> bytes:
    lines = [STATUS_LINE[response.status_code]]
    for name, value in default_headers:
        lines.append(b"%s: %s\r\n" % (name, value))
    for header, text in response.items():
        lines.append(f"{header.lower()}: {text}\r\n".encode("latin1"))
    if close:
        lines.append(b"connection: close\r\n")
    return b"".join([*lines, b"\r\n", response.content])


def _recorded(default_headers: Headers) -> tuple[bytes, bytes]:
    response = views.Recorded()
    keep_alive, close = (_serialize(response, default_headers, close) for close in (False, True))
    return keep_alive, close


class _FlowControl(FlowControl):
    """Reads on only when all that was read is under way and its replies are taken.

    uvicorn's own reads on with each reply, so that a client's pipeline could fill the memory.
    """

    def __init__(self, transport: asyncio.Transport, pipeline: Collection[Any]) -> None:
        super().__init__(transport)
        self._pipeline = pipeline

    def resume_reading(self) -> None:
        if not self._pipeline and not self.write_paused:
            super().resume_reading()


@dataclass(slots=True)
class _Second:
    """What changes from one second to the next."""

    now: int = 0
    """Seconds since the worker started, as `IncrementProtocol.tick` counts them."""
    recorded: tuple[bytes, bytes] = field(default_factory=lambda: _recorded([]))
    """The reply to an increment, with the current Date, and the same before a close."""


# This worker's. Class attributes would say so too, but Python looks those up slowly, and forgets
# what it knows of a class whenever one of them is set.
_second = _Second()
_open: set[IncrementProtocol] = set()
turn = Turn()
_known: dict[bytes, LaneRequest] = {}
"""What the parser made of heads that came before: the same bytes mean the same again."""


class IncrementProtocol(HttpToolsProtocol):
    """One connection."""

    # Python is fast with thirty attributes in an object's dict, and the parent has nearly as many.
    __slots__ = (
        "_body",
        "_closing",
        "_content_type",
        "_got_body",
        "_head_size",
        "_in_head",
        "_in_message",
        "_is_last",
        "_lane",
        "_max_body",
        "_refusal",
        "_refused",
        "_request",
        "_running",
        "_since",
        "_unanswered",
        "_unusual",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_body = config().max_body_bytes
        self._since = _second.now  # when it last got on: the deadlines count from there
        # The request that arrives
        self._in_head = self._in_message = False
        self._head_size = 0
        self._got_body = False  # whether the latest read brought some of its body
        self._unusual = False  # not for the lane
        self._lane = False  # whether it is answered here, or the ordinary way
        self._content_type = b""
        self._body: bytes | bytearray = b""
        # The connection
        self._unanswered = 0  # increments in the lane
        self._is_last = False  # its reply is to close the connection
        self._closing = False  # nothing that arrives is read any more
        self._refusal: HttpResponse | None = None  # waits for the replies before it
        self._refused = False  # and it has been sent
        self._running: RequestResponseCycle | None = None  # that Django is at

    @staticmethod
    def tick() -> None:
        """Close the connections that have been too slow, and renew the Date; once a second."""
        _second.now += 1
        for connection in list(_open):
            connection._close_if_too_slow()
        _second.recorded = _recorded([(b"date", formatdate(usegmt=True).encode())])

    def _close_if_too_slow(self) -> None:
        waited = _second.now - self._since
        if self._refused:
            if waited > _LINGER:
                self.transport.abort()
        elif self._in_message or self.flow.write_paused or self.transport.is_closing():
            if waited > REQUEST_DEADLINE:
                self.transport.abort()
        elif waited > self.config.timeout_keep_alive and self._is_idle():
            self.transport.close()

    def _is_idle(self) -> bool:
        return not self._unanswered and self._cycle_is_over()

    def _cycle_is_over(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    # Connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = _FlowControl(transport, self.pipeline)
        transport.set_write_buffer_limits(high=0)  # so that replies go at once, not after the turn
        _open.add(self)
        if len(_open) > 2 * MAX_CONNECTIONS:
            self._closing = True
            transport.abort()
        elif len(_open) > MAX_CONNECTIONS:
            detail = {"error": f"more than {MAX_CONNECTIONS} connections", "limit": MAX_CONNECTIONS}
            self._refuse_connection(views.unavailable(detail))

    def connection_lost(self, exc: Exception | None) -> None:
        _open.discard(self)
        if self._running is not None:  # the parent tells the latest request only
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._in_message:
            self._parse(data)
            return
        raw_head, _, body = data.partition(b"\r\n\r\n")
        request = _known.get(raw_head)
        if (
            request is not None
            and request.body_length == len(body)
            and not self.pipeline
            and self._cycle_is_over()
        ):
            self._since = _second.now
            self._enqueue(request, body)
            return
        before = len(turn)
        self._parse(data)
        if len(turn) == before + 1 and self._body == body:
            self._remember(raw_head)

    def _remember(self, raw_head: bytes) -> None:
        if len(raw_head) <= _KNOWN_HEAD_BYTES:
            if len(_known) >= _KNOWN_HEADS:
                _known.clear()
            _known[raw_head] = self._request

    def _parse(self, data: bytes) -> None:
        headers = self.headers
        try:
            self._feed(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # CONNECT is the latter
            self.send_400_response("Invalid HTTP request received.")
        # The read that a head begins in does not count: most of it may be requests before this one.
        is_of_no_body = self._in_message and not self._got_body  # but of a head, or of a trailer
        if is_of_no_body and self.headers is headers:  # the same list: no other head has begun
            self._head_size += len(data)
            if self._head_size > MAX_HEAD_BYTES:
                detail = {
                    "error": f"headers are longer than {MAX_HEAD_BYTES} bytes",
                    "limit": MAX_HEAD_BYTES,
                }
                self._refuse_connection(views.reply(431, detail))
        self._got_body = False

    def _feed(self, data: bytes) -> None:
        """Feed the parser.

        It stops after the head of a request that asks for another protocol. There is none to go on
        with, so such a request is read as if it had not asked (RFC 9110, 7.8).
        """
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                (end_of_head,) = upgrade.args
            head = self._head_without_upgrade()
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as the parent's
            self.parser.feed_data(head)
            rest = rest[end_of_head:]

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def send_400_response(self, msg: str) -> None:
        self._refuse_connection(views.reply(400, {"error": msg}))

    def _refuse_connection(self, response: HttpResponse) -> None:
        if self._closing:
            return
        self._closing = True
        if self._in_message and not self._in_head and not self._lane:
            self.transport.close()  # in the body of a request that Django is reading
        else:
            self._refusal = response
            self._refuse_if_idle()

    def _refuse_if_idle(self) -> None:
        # With earlier replies still to come, this one would be taken for one of theirs.
        if self._refusal and self._is_idle() and not self.transport.is_closing():
            self._refused = True
            self._since = _second.now
            self.transport.write(
                _serialize(self._refusal, self.server_state.default_headers, close=True)
            )
            # Closed at once, with bytes of the client's unread, the kernel would reset the
            # connection, which may cost the client the reply.
            self.transport.write_eof()

    def on_response_complete(self) -> None:
        self._since = _second.now
        super().on_response_complete()
        self._unset_keepalive_if_required()  # `tick` sees to it
        self._refuse_if_idle()

    def pause_writing(self) -> None:
        super().pause_writing()
        self.flow.pause_reading()  # a client that does not read its replies gets no more of them

    def resume_writing(self) -> None:
        super().resume_writing()
        self._since = _second.now
        self.flow.resume_reading()

    def shutdown(self) -> None:
        if self._lane and self._in_message:
            self._is_last = True
        elif self._unanswered and self._cycle_is_over():
            self._closing = True
        else:
            super().shutdown()

    # Parser callbacks

    def on_message_begin(self) -> None:
        self._since = _second.now
        self._in_head = self._in_message = True
        self._head_size = 0
        self.url = b""
        self.headers = []
        self._content_type = b""
        self._unusual = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:  # a trailer, which must not pass for a header (RFC 9110, 6.5.1)
            return
        name = name.lower()
        if name == b"content-type":
            self._unusual |= any(other == name for other, _ in self.headers)
            self._content_type = value
        elif name == b"transfer-encoding":
            self._unusual |= value.strip().lower() != b"chunked"
        elif name == b"expect":
            self._unusual = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):  # it is 0.9 where there is none
            raise ValueError(version)  # 400
        self._in_head = False
        self._lane = self._closing or (  # after the last reply: nobody's, thrown away at its end
            not self._unusual
            and (self.url == _PATH or self.url.startswith(_PATH + b"?"))
            and self.parser.get_method() == b"POST"
            and version == "1.1"
            and self._cycle_is_over()
        )
        if self._lane:
            self._body = b""
        else:
            self._go_the_ordinary_way()

    def _go_the_ordinary_way(self) -> None:
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url = url
        for name, value in headers:
            super().on_header(name, value)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._got_body = True
        self._head_size = 0
        if not self._lane:
            super().on_body(body)
            return
        if not self._body:
            self._body = body
        elif len(self._body) <= self._max_body:  # the view sees that it is too long; drop the rest
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_message = False
        if not self._lane:
            super().on_message_complete()
            return
        if self._closing:
            return
        self._request = LaneRequest(
            headers=self.headers,
            content_type=self._content_type.decode("latin1").partition(";")[0].strip().lower(),
            body_length=len(self._body),
            closes=self._is_last or not self.parser.should_keep_alive(),
        )
        self._enqueue(self._request, bytes(self._body))

    # Increments and their replies

    def _enqueue(self, request: LaneRequest, body: bytes) -> None:
        self._closing = request.closes  # more may arrive before the reply: it is not for us
        self._unanswered += 1
        if self._unanswered > _MOST_UNANSWERED:
            self.flow.pause_reading()
        turn.add(self, request, body)

    def reply(self, response: HttpResponse, close: bool) -> None:
        self.server_state.total_requests += 1
        self._unanswered -= 1
        self._since = _second.now
        if self.transport.is_closing():
            return
        last = self._closing and not self._unanswered and not self._refusal
        self._write(response, close or last)
        if self._unanswered:
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        if self._refusal:
            self._refuse_if_idle()
        if self.flow.read_paused:
            self.flow.resume_reading()

    def _write(self, response: HttpResponse, close: bool) -> None:
        if isinstance(response, views.Recorded):
            self.transport.write(_second.recorded[close])
        else:
            self.transport.write(_serialize(response, self.server_state.default_headers, close))
        if close:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._unanswered:  # its reply has to come after those
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, app))
        else:
            self._running = cycle
            super()._start_asgi_task(cycle, app)
