"""A contestant, and the server that answers for it while it is measured."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paths import new_folder
from tests.testbed.commands import ROOT
from tests.testbed.ports import listening_sockets
from tests.testbed.process_group import ProcessGroup
from tests.testbed.requests import connect
from tests.testbed.service import Service

WORKERS = 2
"""Worker processes or threads of each contestant."""


class Server(ProcessGroup):
    """A server that is not the Incrementer, with its files in `folder`.

    With SO_REUSEPORT each worker has a listening socket on `port`. The server has started once
    there are `sockets` of them: before that, the first worker would get every connection.
    """

    def __init__(
        self,
        folder: Path,
        port: int,
        *command: str | Path,
        sockets: int = 1,
        variables: Mapping[str, str] = {},
    ) -> None:
        super().__init__(
            list(map(str, command)),
            cwd=ROOT,
            environment={**os.environ, **variables},
            log_file=folder / f"{port}.log",
        )
        self.folder = folder
        self.port = port
        self._sockets = sockets

    def start(self) -> None:
        """Start the server and return once all its sockets listen and it answers.

        Raises:
            AssertionError: it has ended, or does not answer in time.
        """
        super().start()
        self.wait_until(
            lambda: len(listening_sockets(self.port)) >= self._sockets and self._answers(),
            f"{self.command[0]} to answer on port {self.port}",
        )

    def _answers(self) -> bool:
        """Whether a request gets any answer. (Redis answers with an error.)"""
        try:
            with connect(self.port, 5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return bool(connection.recv(1))
        except OSError:
            return False


Start = Callable[[Path], AbstractContextManager[Server | Service]]
"""Gets a folder for the server's files. The server runs while its context is open."""


@dataclass(frozen=True)
class Contestant:
    name: str
    start: Start
    needs: tuple[str, ...] = ()
    """Programs and libraries that have to be installed, as programs.py names them."""
    request_kind: str = "form"
    """The kind of requests that it is sent, as requests.lua names it."""

    @contextmanager
    def running(self) -> Iterator[Server | Service]:
        """Run its server in a new folder, and end it with the block.

        Raises:
            AssertionError: it does not start.
        """
        with new_folder() as folder, self.start(folder) as server:
            yield server
