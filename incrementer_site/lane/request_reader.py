"""Requests as the HTTP parser reads them: increments for the lane, and all others."""

from __future__ import annotations

from typing import Protocol

import httptools

from counters.web import replies
from counters.web.increment import Read
from counters.web.lookup import Lookup
from counters.web.replies import Reply
from counters.web.request import Fields
from incrementer_site.lane.askers import Asker, head_of_lookup
from incrementer_site.lane.heads import (
    PERSISTS,
    Head,
    Headers,
    closing,
    connection_of,
    content_length_bytes,
    expects_continue,
    fields_of,
    fit,
    is_for_lane,
    read_of,
    style_of,
)
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.targets import path_and_host, refusal_of

_THROWN_AWAY = replies.server_failed()
"""Stands for the reply to what arrives while the connection is being closed; nobody gets it."""


class Connection(Protocol):
    """What the reader tells of what it has read."""

    def request_begins(self) -> None: ...
    def has_ordinary(self) -> bool: ...
    def is_idle(self) -> bool: ...
    def is_looking_up(self) -> bool: ...
    def is_closing(self) -> bool: ...
    def refuse(self, reply: Reply) -> None: ...
    def expects_continue(self, is_expected: bool) -> None: ...
    def lane_request(self, head: Head, body: bytes) -> None: ...
    def look_up(self, lookup: Lookup, head: Head) -> None: ...
    def other_begins(
        self, parser: httptools.HttpRequestParser, target: bytes, headers: Headers
    ) -> None: ...
    def other_body(self, body: bytes) -> None: ...
    def other_ends(self) -> None: ...


class RequestReader:
    """Reads the requests of one connection.

    Attributes:
        in_message: whether a request has begun to arrive and has not ended.
        in_head: whether its head has not ended.
        is_for_lane: whether the lane answers it; known once its head has ended.
        latest: the head of the increment that arrived last, if the same bytes mean the same again.
        latest_asker: the same of a request for a total.
        head_bytes: how much of a head or a trailer has arrived, but for the read that it began in.
        held_bytes: how much of `Lane.incoming` the body takes that is arriving.
    """

    def __init__(self, connection: Connection, lane: Lane) -> None:
        self._connection = connection
        self._lane = lane
        self._make_parser()
        self.in_message = self.in_head = False
        self.is_for_lane = False
        self.latest: Head | None = None
        self.latest_asker: Asker | None = None
        self.head_bytes = self.held_bytes = 0
        self._target = b""
        self._headers: Headers = []
        self._fields = Fields()
        self._read: Read | Reply | Lookup
        self._style = PERSISTS
        self._is_refusal_of_now = False  # whether the same request may succeed at another time
        self._body: bytes | bytearray = b""
        self._body_bytes = 0  # with what is not kept
        self._content_length_bytes = 0
        self._got_body = False  # whether the latest read brought some of a body

    def _make_parser(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does

    def read(self, data: bytes) -> None:
        """Read what has arrived.

        Raises:
            httptools.HttpParserError: it is no HTTP.
            httptools.HttpParserUpgrade: it is a CONNECT.
        """
        headers = self._headers
        try:
            self._feed(data)
        finally:
            # The read that a head begins in does not count: most of it may be earlier requests.
            is_of_no_body = self.in_message and not self._got_body  # but of a head or a trailer
            if is_of_no_body and self._headers is headers:  # the same list: no other head has begun
                self.head_bytes += len(data)
            self._got_body = False

    def _feed(self, data: bytes) -> None:
        """Feed the parser.

        It stops after the head of a request that asks for another protocol. There is none to go on
        with, so such a request is read as if it had not asked (RFC 9110, 7.8).
        """
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
                return
            except httptools.HttpParserUpgrade as upgrade:
                (end_of_head,) = upgrade.args
            head = self._head_without_upgrade()
            self._make_parser()
            self._parser.feed_data(head)
            rest = rest[end_of_head:]

    def _head_without_upgrade(self) -> bytes:
        version = self._parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self._parser.get_method(), self._target, version)]
        lines += [b"%s: %s" % header for header in self._headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    # What the parser calls

    def on_message_begin(self) -> None:
        self._connection.request_begins()
        self.in_head = self.in_message = True
        self.is_for_lane = False
        self.head_bytes = 0
        self._target = b""
        self._headers = []

    def on_url(self, target: bytes) -> None:
        self._target += target

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.in_head:  # a trailer must not pass for a header (RFC 9110, 6.5.1)
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        version = self._parser.get_http_version()
        if version not in ("1.0", "1.1"):  # it is 0.9 where there is none
            raise ValueError(version)  # the parser makes an HttpParserError of it
        if refusal := refusal_of(version, self._target, self._headers):
            self._connection.refuse(fit(refusal, self._parser.get_method()))
        self._target, self._headers = path_and_host(self._target, self._headers)
        self.is_for_lane = self._connection.is_closing() or self._lane_answers()
        if self.is_for_lane:
            self._begin_body(version)
        else:
            self._connection.other_begins(self._parser, self._target, self._headers)
        self.in_head = False

    def _lane_answers(self) -> bool:
        """Return whether the lane answers this request; if so, it is known how."""
        method, connection = self._parser.get_method(), self._connection
        if connection.has_ordinary() or connection.is_looking_up():
            return False
        if not is_for_lane(method, self._target):
            return False
        self._fields = fields_of(self._headers, self._target.partition(b"?")[2])
        read = read_of(method, self._target, self._fields)
        if read is None or (isinstance(read, Lookup) and not connection.is_idle()):
            return False
        self._read = read
        return True

    def _begin_body(self, version: str) -> None:
        if self._connection.is_closing():
            self._read = _THROWN_AWAY
        self._is_refusal_of_now = False
        self._body_bytes = 0
        self._content_length_bytes = content_length_bytes(self._headers)
        keeps_alive = self._parser.should_keep_alive()
        after = connection_of(version, self._headers, keeps_alive=keeps_alive)
        self._style = style_of(after, self._fields)
        if expects_continue(version, self._headers) and not self._connection.is_closing():
            self._answer_expectation()

    def _answer_expectation(self) -> None:
        """Have the client send its body, or refuse that."""
        if self._content_length_bytes > self._lane.max_body_bytes:
            self._refuse_body(replies.body_too_large())
        if isinstance(self._read, Reply):
            self._connection.refuse(fit(self._read, self._parser.get_method()))
        else:
            self._connection.expects_continue(True)

    def on_body(self, body: bytes) -> None:
        self._got_body = True
        self.head_bytes = 0
        if not self.is_for_lane:
            self._connection.other_body(body)
        elif not self._connection.is_closing():
            self._body_bytes += len(body)
            if not isinstance(self._read, Reply | Lookup):
                self._keep(body)

    def _keep(self, body: bytes) -> None:
        """Keep what has arrived of a body, or know how it will be refused."""
        lane = self._lane
        length_bytes = len(self._body) + len(body)
        if length_bytes > lane.max_body_bytes:
            self._refuse_body(replies.body_too_large())
        elif self._has_to_hold(length_bytes) and not self._hold(length_bytes):
            self._refuse_body(lane.incoming.no_room())
            self._is_refusal_of_now = True
        elif not self._body:
            self._body = body
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += body

    def _has_to_hold(self, length_bytes: int) -> bool:
        """Return whether a body, of which so much is here, is long and has to be waited for."""
        is_whole = length_bytes == self._content_length_bytes
        return length_bytes > self._lane.limits.max_free_body_bytes and not is_whole

    def _hold(self, length_bytes: int) -> bool:
        """Return whether a body of this length may be held."""
        if not self._lane.incoming.take(length_bytes - self.held_bytes):
            return False
        self.held_bytes = length_bytes
        return True

    def _refuse_body(self, reply: Reply) -> None:
        self._read = reply
        self.let_go()

    def throws_away(self, count_bytes: int) -> bool:
        """Return whether the next so many bytes are of a body that is refused already."""
        if not (self.in_message and not self.in_head and self.is_for_lane):
            return False
        is_refused = isinstance(self._read, Reply)
        return is_refused and self._body_bytes + count_bytes < self._content_length_bytes

    def let_go(self) -> None:
        """Hold nothing of a body any more."""
        self._body = b""
        self._lane.incoming.give_back(self.held_bytes)
        self.held_bytes = 0

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        self.in_message = False
        if not self.is_for_lane:
            self._connection.other_ends()
        elif not self._connection.is_closing():
            self._connection.expects_continue(False)
            self._complete()

    def _complete(self) -> None:
        """Hand over a request for the lane."""
        read, body = self._read, bytes(self._body)
        if self.held_bytes:
            self._lane.intake.spend(self.held_bytes)
        self.let_go()
        if self._lane.is_ending:
            self._style = closing(self._style)
        method, version = self._parser.get_method(), self._parser.get_http_version()
        if isinstance(read, Lookup):
            if self._body_bytes == 0:
                self.latest_asker = Asker(self._fields, self._headers, self._style)
            head = head_of_lookup(method, self._target, version, self._headers, self._style)
            self._connection.look_up(read, head)
            return
        head = Head(
            read=(lambda _: read) if isinstance(read, Reply) else read,
            body_bytes=self._body_bytes,
            method=method,
            target=self._target,
            version=version,
            headers=self._headers,
            style=self._style,
        )
        self.latest = None if self._is_refusal_of_now else head
        self._connection.lane_request(head, body)
