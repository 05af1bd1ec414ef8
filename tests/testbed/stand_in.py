"""A stand-in for the service: what it says can be ordered, and all that it gets can be seen.

It takes JSON batches only. As the service does, it counts each Idempotency-Key once, answers its
copies alike, and refuses the same key with another body, and UUIDs that are too old.
"""

from __future__ import annotations

import json
import socket
import time
from collections import Counter, deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext
from threading import Lock, Thread
from typing import NamedTuple, Self
from uuid import UUID

from tests.testbed.ports import free_port
from tests.testbed.waiting import wait_for

RETENTION_SECONDS = 24 * 3600


class Received(NamedTuple):
    id: str
    body: bytes
    at: float
    """Of the monotonic clock."""
    status: int


class Order(NamedTuple):
    """What to answer, without counting anything."""

    status: int
    headers: dict[str, str] = {}
    body: bytes | None = None
    """Where it is absent, what the service would say."""


class StandIn:
    """A service that counts in memory; as a context manager it runs.

    Attributes:
        url: where it is.
        orders: what to answer to the next requests; where there is none, it does its work.
        received: all requests that were answered.
        totals: the sum for each key.
        token: where it is set, requests without it are 401.
    """

    def __init__(self, port: int | None = None, tls: SSLContext | None = None) -> None:
        self.port = port or free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.orders: deque[Order] = deque()
        self.received: list[Received] = []
        self.totals: Counter[str] = Counter()
        self.token = ""
        self.connections: set[socket.socket] = set()
        self._bodies: dict[str, bytes] = {}
        self._lock = Lock()
        handler = type("Handler", (_Handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), handler)
        self._server.daemon_threads = True
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    def __enter__(self) -> Self:
        Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def close_connections(self) -> None:
        """Close all connections of clients, as a service does with idle ones."""
        while self.connections:
            with suppress(OSError):
                self.connections.pop().shutdown(socket.SHUT_RDWR)

    def answer(self, id_: str, authorization: str, body: bytes) -> Order:
        """Return the answer to a request, and count it where that is a 200."""
        with self._lock:
            order = self._answer(id_, authorization, body)
            self.received.append(Received(id_, body, time.monotonic(), order.status))
            return order

    def _answer(self, id_: str, authorization: str, body: bytes) -> Order:
        if self.orders:
            return self.orders.popleft()
        if self.token and authorization != f"Bearer {self.token}":
            return Order(401)
        if id_ in self._bodies:
            return Order(200 if self._bodies[id_] == body else 422)
        if time.time() - (UUID(id_).int >> 80) / 1000 > RETENTION_SECONDS:
            return Order(409)
        self._bodies[id_] = body
        for increment in json.loads(body):
            self.totals[increment["key"]] += increment["value"]
        return Order(200)

    def wait_for_requests(self, count: int) -> None:
        """Return once it has answered so many requests."""
        wait_for(lambda: len(self.received) >= count, f"{count} requests", lambda: repr(self))

    def __repr__(self) -> str:
        return f"{[each.status for each in self.received]}, {self.totals}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # the head and the body of a reply are two writes
    stand_in: StandIn

    def setup(self) -> None:
        super().setup()
        self.stand_in.connections.add(self.connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        id_ = self.headers["Idempotency-Key"].strip('"')
        order = self.stand_in.answer(id_, self.headers.get("Authorization", ""), body)
        reply = order.body
        if reply is None:
            reply = b'{"ok":true}\n' if order.status == 200 else b'{"error": "so ordered"}\n'
        self.send_response(order.status)
        for name, value in {**order.headers, "Content-Length": str(len(reply))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *arguments: object) -> None:
        pass
