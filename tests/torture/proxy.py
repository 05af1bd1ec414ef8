"""A TCP proxy before PostgreSQL that cuts a connection at its COMMIT."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread


class Proxy:
    """Forwards connections from a TCP port to PostgreSQL's Unix socket."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._cut_wanted, self._cut_done = Event(), Event()
        self._deliver = self._for_good = False
        Thread(target=self._accept, daemon=True).start()

    def cut_next_commit(self, deliver: bool, for_good: bool = False) -> None:
        """Wait for the next COMMIT, and cut its connection.

        Args:
            deliver: whether PostgreSQL gets the COMMIT before the cut.
            for_good: whether no connection gets through any more.

        Raises:
            TimeoutError: no COMMIT came.
        """
        self._deliver, self._for_good = deliver, for_good
        self._cut_done.clear()
        self._cut_wanted.set()
        if not self._cut_done.wait(60):
            raise TimeoutError("no COMMIT came")

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was closed
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._server))
                Thread(target=self._forward, args=(client, server, True), daemon=True).start()
                Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, to_server: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if to_server and b"COMMIT" in data and self._cut_wanted.is_set():
                    self._cut_wanted.clear()
                    if self._for_good:
                        self._listener.shutdown(socket.SHUT_RDWR)
                        self._listener.close()
                    source.shutdown(socket.SHUT_RDWR)  # the answer will not get through
                    if self._deliver:
                        target.sendall(data)
                        target.recv(1, socket.MSG_PEEK)  # it has been carried out
                    self._cut_done.set()
                    break
                target.sendall(data)
        for end in source, target:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
