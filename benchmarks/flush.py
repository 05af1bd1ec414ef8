"""The flush of a worker's million keys: how long it takes, and how long requests wait meanwhile."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from threading import Event, Thread

from benchmarks.contestants.ours import incrementer
from benchmarks.load import Void
from benchmarks.paths import new_folder
from tests.testbed.databases import rows
from tests.testbed.processes import largest_memory_bytes
from tests.testbed.requests import FORM, JSON, build_request, connect
from tests.testbed.service import Service
from tests.testbed.waiting import Timeout, wait_for

_BATCH_INCREMENTS = 10_000
_REQUESTS_PER_SECOND = 500
"""How many requests are sent during the flush."""
_FLUSH_TIMEOUT_SECONDS = 120
_TOKEN = "benchmark"
"""Whoever has it gets the numbers that this needs from /healthz."""


@dataclass(frozen=True)
class Flush:
    keys: int
    seconds: float
    memory_mb: float
    """What the worker held before the flush, with all keys pending, in units of 10**6 bytes."""
    latencies_ms: list[float]
    """The latency of each request during the flush, sorted, in milliseconds.

    It is counted from when the request was due. Example: requests are due at 0, 2 and 4 ms, and the
    reply to the first comes at 10 ms. The second is sent only then, and its reply comes at 11 ms:
    its latency is 9 ms.
    """

    @property
    def keys_per_second(self) -> float:
        return self.keys / self.seconds

    @property
    def p99_ms(self) -> float:
        return self.latencies_ms[int(len(self.latencies_ms) * 0.99)]


def measure_flush(keys: int) -> Flush:
    """Fill one worker with `keys` distinct keys and post to it steadily while they are flushed.

    Raises:
        Void: a request was refused, or the flush did not come to an end.
    """
    start = incrementer(
        WEB_CONCURRENCY="1",
        INCREMENT_TOKEN=_TOKEN,
        FLUSH_INTERVAL=str(5 + keys / 100_000),  # all batches have to be sent before it
        MAX_PENDING_KEYS=str(keys + 1),  # one more, for the requests during the flush
    )
    with new_folder() as folder, start(folder) as service, connect(service.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for first in range(0, keys, _BATCH_INCREMENTS):
            numbers = range(first, first + _BATCH_INCREMENTS)
            batch = [{"key": f"key:{i:07d}", "value": 1} for i in numbers]
            body = json.dumps(batch, separators=(",", ":")).encode()
            _post(connection, body, JSON)
        if _health(service, "pending_keys") < keys:
            raise Void("the flush began before all keys were there")
        memory_bytes = largest_memory_bytes(service.workers())
        watch = _FlushWatch(service)
        watch.start()
        sent = _post_steadily(connection, watch.is_over)
        watch.join()
        if not watch.ended:
            raise Void(f"the flush took longer than {_FLUSH_TIMEOUT_SECONDS} s")
        during = [ms for due, ms in sent if watch.began <= due + ms / 1000 and due <= watch.ended]
    return Flush(keys, watch.ended - watch.began, memory_bytes / 1e6, sorted(during))


def _post(connection: socket.socket, body: bytes, content_type: str) -> None:
    connection.sendall(build_request(body, content_type=content_type, token=f"Bearer {_TOKEN}"))
    reply = connection.recv(4096)
    if not reply.startswith(b"HTTP/1.1 200"):
        raise Void(f"a request got: {reply.decode(errors='replace')}")


def _post_steadily(connection: socket.socket, is_over: Event) -> list[tuple[float, float]]:
    """Post until `is_over`; return when each request was due, and its latency in milliseconds."""
    sent = []
    due = time.monotonic()
    while not is_over.is_set():
        time.sleep(max(0.0, due - time.monotonic()))
        _post(connection, b"key=key:0000001&value=1", FORM)
        sent.append((due, (time.monotonic() - due) * 1000))
        due += 1 / _REQUESTS_PER_SECOND
    return sent


class _FlushWatch(Thread):
    """Watches for when a flush begins and ends, by the system's monotonic clock.

    It begins when the journal has fewer bytes to flush, and ends when the database has a total.

    Attributes:
        began, ended: the times, in seconds; 0 where that was not seen.
        is_over: set when there is nothing more to watch.
    """

    def __init__(self, service: Service) -> None:
        super().__init__(daemon=True)
        self._service = service
        self.began = self.ended = 0.0
        self.is_over = Event()

    def run(self) -> None:
        full_bytes = _health(self._service, "journal_bytes")
        try:
            wait_for(
                lambda: _health(self._service, "journal_bytes") < full_bytes,
                "the flush to begin",
                seconds=_FLUSH_TIMEOUT_SECONDS,
            )
            self.began = time.monotonic()
            wait_for(self._is_flushed, "the flush to end", seconds=_FLUSH_TIMEOUT_SECONDS)
            self.ended = time.monotonic()
        except Timeout:
            pass  # then `ended` is still 0
        finally:
            self.is_over.set()

    def _is_flushed(self) -> bool:
        url = self._service.environment["DATABASE_URL"]
        return bool(rows(url, "SELECT value FROM numbers WHERE key = 'key:0000000'"))


def _health(service: Service, name: str) -> int:
    """Return one number of what the service says about its health."""
    authorization = {"Authorization": f"Bearer {_TOKEN}"}
    number: int = service.request("GET", "/healthz", headers=authorization).json()[name]
    return number
