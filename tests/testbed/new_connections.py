"""Clients that open a new connection for each increment, as fast as they can."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable
from threading import Event, Thread

from tests.testbed.replies import read_replies, receive_all
from tests.testbed.requests import LANE, connect, increment
from tests.testbed.waiting import wait_for


class NewConnections:
    """Load from `clients` threads; each has a key of its own.

    As a context manager it sends the load. Read the attributes after the block.

    Attributes:
        acknowledged: per key, how many increments got 200.
        failures: what became of each of the others.
    """

    def __init__(self, open_connection: Callable[[], socket.socket], *, clients: int = 4) -> None:
        self.acknowledged: Counter[str] = Counter()
        self.failures: list[str] = []
        self._open_connection = open_connection
        self._stopping = Event()
        self._threads = [Thread(target=self._client, args=[f"key {n}"]) for n in range(clients)]

    @classmethod
    def to_port(cls, port: int) -> NewConnections:
        return cls(lambda: connect(port))

    def __enter__(self) -> NewConnections:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(100)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, increments: int) -> None:
        """Return once so many more have been acknowledged."""
        goal = self.acknowledged.total() + increments
        wait_for(
            lambda: self.acknowledged.total() >= goal,
            "increments to be acknowledged",
            lambda: f"{self.failures[:5]}",
        )

    def _client(self, key: str) -> None:
        request = increment(LANE, key, close=True)
        while not self._stopping.is_set():
            try:
                with self._open_connection() as connection:
                    connection.sendall(request)
                    (reply,) = read_replies(receive_all(connection))
            except (OSError, ValueError) as error:
                self.failures.append(repr(error))
                continue
            if reply.status == 200:
                self.acknowledged[key] += 1
            else:
                self.failures.append(repr(reply))
