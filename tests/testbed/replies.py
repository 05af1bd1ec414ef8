"""Replies, read from the bytes that a connection receives."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPResponse
from io import BytesIO
from typing import Any, BinaryIO


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names are in lower case; the values of a name that comes twice are joined by commas."""
    body: bytes

    @classmethod
    def read(cls, response: HTTPResponse) -> Reply:
        """Read a reply whose head has been read.

        Raises:
            http.client.HTTPException: the connection ends within the body.
            OSError: the connection breaks.
        """
        headers = {name.lower(): response.getheader(name, "") for name in response.headers}
        return cls(response.status, headers, response.read())

    def json(self) -> Any:
        return json.loads(self.body)


class ReplyReader:
    """Reads one reply after the other from a stream, which stays open between them."""

    def __init__(self, stream: BinaryIO) -> None:
        self._source = _KeptOpen(stream)
        self._has_ended = False

    def next(self, method: str = "GET") -> Reply | None:
        """Return the reply to a request with this method, None where the connection ended instead.

        Raises:
            http.client.HTTPException: it is no reply, or not a whole one.
            TimeoutError: it does not come.
        """
        try:
            if self._has_ended:
                self._source.read()
                return None
            response = HTTPResponse(self._source, method=method)  # type: ignore[arg-type]
            response.begin()
            reply = Reply.read(response)
        except ConnectionError:
            return None
        self._has_ended = response.will_close
        return reply


class _KeptOpen:
    """What HTTPResponse gets instead of a socket, because it closes that after each reply."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def makefile(self, _mode: str) -> _KeptOpen:
        return self

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def read_replies(received: bytes, *methods: str) -> list[Reply]:
    """Return the replies in all that a connection has received.

    Args:
        methods: those of the first requests; of the others, none is HEAD.

    Raises:
        http.client.HTTPException: there is something in it that is no reply.
    """
    reader = ReplyReader(BytesIO(received))
    replies = []
    waiting = iter(methods)
    while reply := reader.next(next(waiting, "GET")):
        replies.append(reply)
    return replies


def statuses(received: bytes) -> list[int]:
    """Return the statuses of the replies in all that a connection has received."""
    return [reply.status for reply in read_replies(received)]


def receive_all(connection: socket.socket) -> bytes:
    """Return all that comes until the service closes the connection.

    Raises:
        ConnectionResetError: the service reset the connection, so that a reply may be lost.
        TimeoutError: nothing came for as long as the connection's timeout.
    """
    received = bytearray()
    while more := connection.recv(65536):
        received += more
    return bytes(received)


def receive_until_silence(connection: socket.socket) -> bytes:
    """Return all that comes until the service closes the connection, or is silent for a second."""
    connection.settimeout(1)
    received = bytearray()
    with suppress(OSError):
        while more := connection.recv(65536):
            received += more
    return bytes(received)


def is_closed(connection: socket.socket) -> bool:
    """Whether the service has closed the connection; replies that came before are thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True
