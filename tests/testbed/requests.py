"""Requests as bytes, and connections that send them."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPConnection

from tests.testbed.replies import Reply, receive_all

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
REQUEST_SECONDS = 20
"""How long the service waits for a request to arrive, as README.md says."""


def build_request(
    body: bytes,
    *headers: str,
    line: str = "POST /increment HTTP/1.1",
    content_type: str | None = FORM,
    token: str | None = None,
    framed: bool = True,
) -> bytes:
    """Return a request's bytes.

    Args:
        headers: further headers, each `Name: value`.
        token: the value of the Authorization header; None: there is none.
        framed: whether a Content-Length is added.
    """
    head = [line, "Host: localhost", *headers]
    if content_type is not None:
        head.append(f"Content-Type: {content_type}")
    if token is not None:
        head.append(f"Authorization: {token}")
    if framed:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode("latin1") + body


LANE = f"POST /increment HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n".encode()
"""The head of an increment, without its last lines, which `framed` and `chunked` make."""
ORDINARY = LANE.replace(b"/increment", b"/%69ncrement")
"""The same head with another spelling of the path, which uvicorn and Django have to answer."""
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def framed(body: bytes) -> bytes:
    """Return the last lines of a head, with a Content-Length, and a body."""
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(*chunks: bytes) -> bytes:
    """Return the last lines of a head, and a body in chunks."""
    sent = [b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks]
    return CHUNKED + b"".join(sent) + b"0\r\n\r\n"


def increment(head: bytes, key: str, *, close: bool = False) -> bytes:
    """Return a request that adds 1 to `key`; with `close` it is the connection's last one."""
    end = framed(b"key=%s&value=1" % key.encode())
    return head + (b"Connection: close\r\n" if close else b"") + end


def send_request(
    port: int,
    method: str,
    path: str,
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
    *,
    host: str = "127.0.0.1",
    timeout_seconds: float = 60,
) -> Reply:
    """Send one request on a connection of its own and return the reply.

    Raises:
        OSError, http.client.HTTPException: no whole reply came.
    """
    with closing(HTTPConnection(host, port, timeout=timeout_seconds)) as connection:
        connection.request(method, path, body, dict(headers or {}))
        return Reply.read(connection.getresponse())


def connect(port: int, timeout_seconds: float = 30) -> socket.socket:
    """Return a connection to a service on this machine."""
    return socket.create_connection(("127.0.0.1", port), timeout=timeout_seconds)


def talk(port: int, pieces: Sequence[bytes]) -> bytes:
    """Send `pieces` one after the other; return all that comes until the service closes."""
    with connect(port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            connection.sendall(piece)
            if len(pieces) > 1:
                time.sleep(0.0005)  # only makes it likely that each piece arrives alone
        return receive_all(connection)
