"""Requests beside the flush of a worker's million keys: what they wait, and how long it takes."""

from __future__ import annotations

import http.client
import json
import socket
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from benchmarks.contestants.ours import incrementer
from benchmarks.contestants.server import Contestant, Server
from benchmarks.load import Void
from benchmarks.processes import memory_mb

_BATCH_LENGTH = 10_000
_REQUESTS_PER_SECOND = 500
"""During the flush."""
_FLUSH_TIMEOUT_SECONDS = 120

_HEAD = "POST /increment HTTP/1.1\r\nHost: bench\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"


@dataclass(frozen=True)
class Flush:
    keys: int
    seconds: float
    memory_mb: float
    """What the worker held before the flush, all keys pending."""
    latencies_ms: list[float]
    """Of each request during the flush, sorted. A request that was late to be sent because the one
    before had to wait counts from when it was due."""

    @property
    def rate(self) -> float:
        """Keys per second."""
        return self.keys / self.seconds

    @property
    def p99_ms(self) -> float:
        return self.latencies_ms[int(len(self.latencies_ms) * 0.99)]


def measure_flush(keys: int) -> Flush:
    """Fill one worker with `keys` distinct keys and post to it steadily while they are flushed.

    Raises:
        Void: a request was refused, or the flush did not come to an end.
    """
    worker = incrementer(
        WEB_CONCURRENCY="1",
        FLUSH_INTERVAL=str(5 + keys / 100_000),  # all keys have to be there before it
        MAX_PENDING_KEYS=str(keys + 1),  # the one is for the requests during the flush
    )
    with Contestant("Incrementer", worker).running() as server:
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for first in range(0, keys, _BATCH_LENGTH):
            numbers = range(first, first + _BATCH_LENGTH)
            batch = [{"key": f"key:{i:07d}", "value": 1} for i in numbers]
            body = json.dumps(batch, separators=(",", ":")).encode()
            _post(connection, "application/json", body)
        if _health(server.port)["pending_keys"] < keys:
            raise Void("the flush began before all keys were there")
        [pid] = server.workers
        held_mb = memory_mb(pid)
        window = _FlushWindow(server)
        window.start()
        sent = _post_steadily(connection, window.over)
        window.join()
        if not window.ended:
            raise Void(f"the flush took longer than {_FLUSH_TIMEOUT_SECONDS} s")
        during = [ms for due, ms in sent if window.began <= due + ms / 1000 and due <= window.ended]
    return Flush(keys, window.ended - window.began, held_mb, sorted(during))


def _post(connection: socket.socket, content_type: str, body: bytes) -> None:
    connection.sendall((_HEAD % (content_type, len(body))).encode() + body)
    reply = connection.recv(4096)
    if not reply.startswith(b"HTTP/1.1 200"):
        raise Void(f"a request got: {reply.decode(errors='replace')}")


def _post_steadily(connection: socket.socket, over: Event) -> list[tuple[float, float]]:
    """Post until `over`, and return for each request when it was due and its milliseconds."""
    sent = []
    due = time.monotonic()
    while not over.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        _post(connection, "application/x-www-form-urlencoded", b"key=key:0000001&value=1")
        sent.append((due, (time.monotonic() - due) * 1000))
        due += 1 / _REQUESTS_PER_SECOND
    return sent


class _FlushWindow(Thread):
    """Sees the flush begin, by the journal's bytes taken, and end, by a total in the database."""

    def __init__(self, server: Server) -> None:
        super().__init__(daemon=True)
        self._port = server.port
        self._database = server.folder / "numbers.db"
        self.began = self.ended = 0.0
        self.over = Event()

    def run(self) -> None:
        deadline = time.monotonic() + _FLUSH_TIMEOUT_SECONDS
        full = _health(self._port)["journal_bytes"]
        try:
            while _health(self._port)["journal_bytes"] >= full and time.monotonic() < deadline:
                time.sleep(0.02)
            self.began = time.monotonic()
            while not _is_flushed(self._database) and time.monotonic() < deadline:
                time.sleep(0.02)
            if _is_flushed(self._database):
                self.ended = time.monotonic()
        finally:
            self.over.set()


def _health(port: int) -> dict[str, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/healthz")
    health: dict[str, Any] = json.load(connection.getresponse())
    connection.close()
    return health


def _is_flushed(database: Path) -> bool:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    row = connection.execute("SELECT value FROM numbers WHERE key = 'key:0000000'").fetchone()
    connection.close()
    return row is not None
