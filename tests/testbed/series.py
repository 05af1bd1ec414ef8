"""Clients that count one by one, so that it is known at each moment what has to be in a total."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from http.client import HTTPConnection
from threading import Event, Thread
from urllib.parse import quote_plus

from tests.testbed.requests import FORM
from tests.testbed.service import Service


class _Client:
    """Adds 1 to its key again and again."""

    def __init__(self, service: Service, key: str, stopping: Event) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._port = service.port
        self._key = key
        self._stopping = stopping
        self.thread = Thread(target=self._run)

    def _run(self) -> None:
        body = f"key={quote_plus(self._key)}&value=1"
        with closing(HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
            while not self._stopping.is_set():
                self.sent += 1
                connection.request("POST", "/increment", body, {"Content-Type": FORM})
                response = connection.getresponse()
                response.read()
                assert response.status == 200
                self.acknowledged += 1


class Series:
    """Clients, several for each of `keys`; as a context manager it has them count.

    Every increment has to be acknowledged: `sent` and `acknowledged` are equal in the end.
    """

    def __init__(self, service: Service, keys: Sequence[str], *, clients: int = 2) -> None:
        self._stopping = Event()
        self._clients = {
            key: [_Client(service, key, self._stopping) for _ in range(clients)] for key in keys
        }

    def __enter__(self) -> Series:
        for client in self._all():
            client.thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        for client in self._all():
            client.thread.join()

    def _all(self) -> list[_Client]:
        return [client for clients in self._clients.values() for client in clients]

    def sent(self, key: str) -> int:
        """Return how many increments of a key have been sent, at the least, by now."""
        return sum(client.sent for client in self._clients[key])

    def acknowledged(self, key: str) -> int:
        """Return how many increments of a key have been acknowledged by now, at the least."""
        return sum(client.acknowledged for client in self._clients[key])
