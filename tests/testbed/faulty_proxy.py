"""A proxy between a client and a service that cuts, delays and repeats requests."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from enum import Enum, auto
from itertools import cycle
from threading import Lock, Thread
from typing import BinaryIO, Self

from tests.testbed.requests import connect

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Fault(Enum):
    NONE = auto()
    CUT_BEFORE = auto()
    """The request is not passed on, and the connection is cut."""
    CUT_AFTER = auto()
    """The request is passed on, and the connection is cut instead of the reply."""
    LATE = auto()
    """The request is passed on once the client has given up waiting for the reply."""
    TWICE = auto()
    """The request is passed on twice at the same time, and one of the replies is."""


class FaultyProxy:
    """Passes HTTP requests on to a port of this machine; as a context manager it runs.

    Attributes:
        faults: how often each fault has been made.
    """

    def __init__(self, to_port: int, faults: Iterable[Fault]) -> None:
        self.faults: Counter[Fault] = Counter()
        self._to_port = to_port
        self._plan = cycle(faults)
        self._lock = Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def settle(self) -> None:
        """Return once all that was to be passed on has been; the clients have to be gone."""
        for thread in self._threads:
            thread.join(30)
            assert not thread.is_alive(), "a request is under way"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = Thread(target=self._serve, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as stream, suppress(ConnectionError):
            while request := _read_message(stream):
                with self._lock:
                    fault = next(self._plan)
                    self.faults[fault] += 1
                if not self._pass_on(request, client, fault):
                    return

    def _pass_on(self, request: bytes, client: socket.socket, fault: Fault) -> bool:
        """Make a fault with a request; return whether the connection goes on."""
        if fault is Fault.CUT_BEFORE:
            return False
        if fault is Fault.LATE:
            with suppress(ConnectionError):
                client.recv(1)  # returns once the client has closed the connection
        other = Thread(target=self._ask, args=(request,), daemon=True)
        if fault is Fault.TWICE:
            other.start()
        reply = self._ask(request)
        if fault is Fault.TWICE:
            other.join(30)
        if fault in (Fault.CUT_AFTER, Fault.LATE) or not reply:
            return False
        client.sendall(reply)
        return True

    def _ask(self, request: bytes) -> bytes:
        with suppress(OSError), connect(self._to_port) as service:
            service.sendall(request)
            with service.makefile("rb") as stream:
                return _read_message(stream)
        return b""


def _read_message(stream: BinaryIO) -> bytes:
    """Return a request or a reply with a Content-Length; empty where the connection ends."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return b""
        head += line
    length = _LENGTH.search(head)
    return head + stream.read(int(length[1]) if length else 0)
