"""One connection: the lane answers increments and health checks; the rest goes to uvicorn."""

from __future__ import annotations

import asyncio
from typing import Any

import httptools

from counters.web import replies
from counters.web.replies import Reply
from incrementer_site.lane.answering import AnsweringProtocol
from incrementer_site.lane.ending import is_quiet
from incrementer_site.lane.heads import Head, Headers, closes
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.request_reader import RequestReader


class IncrementProtocol(AnsweringProtocol):
    """A connection: what arrives on it, and whose it is to answer."""

    __slots__ = ("_known_heads", "_max_short_bytes", "_reader")

    def __init__(self, lane: Lane, *args: Any, **kwargs: Any) -> None:
        super().__init__(lane, *args, **kwargs)
        self._known_heads = lane.known_heads
        self._max_short_bytes = lane.limits.max_short_bytes
        self._reader: RequestReader | None = None  # made when it is needed: most heads are known

    # Time

    def close_if_too_slow(self) -> None:
        waited_seconds = self._lane.seconds - self._since_seconds
        limits = self._lane.limits
        is_ending = self._has_ended or self.transport.is_closing()
        if is_ending or self._in_message() or self.flow.write_paused:
            if waited_seconds > limits.request_seconds:
                self.transport.abort()
        elif waited_seconds > self.config.timeout_keep_alive and self.is_idle():
            self.transport.close()

    def _in_message(self) -> bool:
        """Whether a request has begun to arrive and has not ended."""
        return self._reader is not None and self._reader.in_message

    def _is_reading_other(self) -> bool:
        """Whether the body of an ordinary request has begun to arrive and has not ended."""
        reader = self._reader
        return bool(reader and reader.in_message and not reader.in_head and not reader.is_for_lane)

    def shutdown(self) -> None:
        """Answer what is under way, then close; uvicorn calls it when the worker shuts down."""
        reader = self._reader
        if reader is not None and reader.in_message and reader.is_for_lane:
            return  # its reply will close the connection
        if self._unanswered and not self.has_ordinary():
            self._closing = True
        elif self.is_idle():
            # The next request may be on its way: a client that has just connected sends one now.
            self.loop.call_later(self._lane.limits.last_request_seconds, self._close_if_idle)
        else:
            super().shutdown()

    def _close_if_idle(self) -> None:
        if self.transport.is_closing():  # its client has gone meanwhile
            return
        reader = self._reader
        is_in_body = reader is not None and reader.in_message and not reader.in_head
        if self.is_idle() and not is_in_body and not self._closing:
            self._closing = True
            if is_quiet(self.transport):
                self.transport.close()
            else:
                self._end()

    # The transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that replies go at once, not after the turn
        lane = self._lane
        lane.connections.add(self)
        lane.intake.newcomer()
        limit = lane.limits.max_connections
        if len(lane.connections) > 2 * limit:
            self._closing = True
            transport.abort()
        elif len(lane.connections) > limit:
            self.refuse(replies.unavailable(f"more than {limit} connections", limit=limit))
        elif lane.is_ending:  # it was accepted just before that
            self.shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lane.connections.discard(self)
        if self.flow.has_unread:
            self._lane.intake.forget(self)
        if self._reader is not None:
            self._reader.let_go()
        super().connection_lost(exc)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._since_seconds = self._lane.seconds
        self._read_on()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what is under way to a client that sends no more; then close.

        Returns:
            Whether the connection is to stay open for that.
        """
        if self.is_idle():
            return False
        if self._refusal:
            return True  # it closes the connection, after the replies that are due
        closes_later = self.close_after_ordinary(latest_is_whole=not self._is_reading_other())
        if self._unanswered and not closes_later:
            self._closing = closes_later = True
        return closes_later

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        is_short = len(data) <= self._max_short_bytes
        if is_short and self._reader and self._reader.held_bytes:
            is_short = False  # it may end a long body, which is to be looked at then
        if is_short or self._lane.intake.admits(data):
            self.take(data)
        else:
            self._take_later(data)

    def _take_later(self, data: bytes) -> None:
        """Look at `data` in a later turn, if there is room for it."""
        if len(data) > self._lane.limits.max_whole_bytes and not self._in_message():
            self.take(data[: self._max_short_bytes])  # the head may refuse all the rest
            data = data[self._max_short_bytes :]
        if self._closing:
            return
        if self._reader and self._reader.throws_away(len(data)):
            self.take(data)
            data = b""
        if self._lane.intake.wait(self, data):
            self.flow.has_unread = True
            self.flow.pause_reading()
        else:
            self.refuse(self._lane.incoming.no_room())

    def take(self, data: bytes) -> None:
        """Look at what has arrived."""
        if self._closing:
            return
        reader = self._reader
        if reader is not None and reader.in_message:
            self._parse(reader, data)
            return
        raw_head, blank_line, body = data.partition(b"\r\n\r\n")
        head = self._known_heads.get(raw_head)
        if (
            head is not None
            and blank_line  # or else it is the beginning of another head
            and head.body_bytes == len(body)
            and not self.pipeline
            and not self.has_ordinary()
            and not self._is_looking_up
        ):
            self._since_seconds = self._lane.seconds
            self.lane_request(head, body)
            return
        is_head_only = bool(blank_line) and not body
        if head is None and blank_line and self._answer_known(raw_head, body):
            return
        if reader is None:
            reader = self._reader = RequestReader(self, self._lane)
        reader.latest = None
        reader.latest_asker = None
        before = self._unanswered
        self._parse(reader, data)
        latest = reader.latest
        # One increment, and all of it in this read: its head is worth being remembered.
        if latest and self._unanswered == before + 1 and latest.body_bytes == len(body):
            self._lane.remember(raw_head, latest)
        if reader.latest_asker and is_head_only:
            self._lane.known_askers.remember_asker(raw_head, reader.latest_asker)

    def _answer_known(self, raw_head: bytes, body: bytes) -> bool:
        """Answer a request whose head is known but for its id or its key; return whether."""
        if body:
            identified = self._lane.known_identified.look_up(raw_head)
            if identified is None or identified.body_bytes != len(body):
                return False
            if self.pipeline or self.has_ordinary() or self._is_looking_up:
                return False
            self._since_seconds = self._lane.seconds
            self.lane_request(identified, body)
            return True
        if not self.is_idle() or not (known := self._lane.known_askers.look_up(raw_head)):
            return False
        self._since_seconds = self._lane.seconds
        self.look_up(*known)
        return True

    def _read_on(self) -> None:
        if self.flow.has_unread:
            self._lane.intake.unpark(self)
        else:
            self.flow.resume_reading()

    @property
    def is_ready(self) -> bool:
        """Whether to look at more of what has arrived: not while much of it waits to be answered,
        or the client does not read its replies.
        """
        return not self.pipeline and not self.flow.write_paused and not self._is_looking_up

    def reads_on(self) -> None:
        """Read on: all that had arrived has been looked at."""
        self.flow.has_unread = False
        self.flow.resume_reading()

    def _parse(self, reader: RequestReader, data: bytes) -> None:
        try:
            reader.read(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # CONNECT is the latter
            self.refuse(replies.error(400, "Invalid HTTP request received."))
        limit = self._lane.limits.max_head_bytes
        if reader.head_bytes > limit:
            self.refuse(replies.error(431, f"headers are longer than {limit} bytes", limit=limit))

    # Refusing what is no request

    def refuse(self, reply: Reply) -> None:
        """Send `reply` after those that are due, and close."""
        if self._closing:
            return
        self._closing = True
        if self._is_reading_other() and not (self.drop_waiting() or self.give_up_running()):
            self.transport.close()  # a part of its reply is sent
        else:
            self._refusal = reply
            self._refuse_if_idle()

    # What the reader tells

    def request_begins(self) -> None:
        self._since_seconds = self._lane.seconds

    def is_closing(self) -> bool:
        return self._closing

    def lane_request(self, head: Head, body: bytes) -> None:
        # What arrives after it gets no reply, so it must not count.
        self._closing = bool(head.style) and closes(head.style)  # nearly all have 0
        self._unanswered += 1
        if self._unanswered > self._lane.limits.max_unanswered:
            self.flow.pause_reading()
        self._lane.turn.add(self, head, body)

    def other_begins(
        self, parser: httptools.HttpRequestParser, target: bytes, headers: Headers
    ) -> None:
        super().other_begins(parser, target, headers)
        if self._lane.is_ending and self.cycle is not None:
            self.cycle.keep_alive = False
