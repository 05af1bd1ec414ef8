"""The processes of one contestant: started, waited for and stopped."""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paths import ROOT

WORKERS = 2
"""Worker processes or threads of each contestant."""

_START_TIMEOUT_SECONDS = 60
_STOP_TIMEOUT_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listening_sockets(port: int) -> int:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def _answers(port: int) -> bool:
    """Say whether a request gets an answer, whatever it is. (Redis answers with an error.)"""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


class Server:
    """Processes that make up one running contestant; the first one serves HTTP on `port`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def prepare(self, *command: str | Path, env: Mapping[str, str] = {}, cwd: Path = ROOT) -> None:
        """Run `command` to its end, before the server is started.

        Raises:
            RuntimeError: it failed.
        """
        done = subprocess.run(
            command, cwd=cwd, env={**os.environ, **env}, capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr[-2000:]}")

    def run(
        self,
        *command: str | Path,
        port: int | None = None,
        sockets: int = 1,
        env: Mapping[str, str] = {},
        cwd: Path = ROOT,
    ) -> None:
        """Start `command` and wait until it answers on `port` (default: the server's own).

        With SO_REUSEPORT each worker has a listening socket: all `sockets` have to be there, or
        the first worker would get every connection.

        Raises:
            RuntimeError: it ended, or was not there within 60 seconds.
        """
        log = self.folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=cwd, env={**os.environ, **env}, stdout=output, stderr=output
            )
        self._processes.append(process)
        port = port or self.port
        deadline = time.monotonic() + _START_TIMEOUT_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            if _listening_sockets(port) >= sockets and _answers(port):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(_STOP_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def workers(self) -> list[int]:
        """The process ids of a gunicorn's workers."""
        master = self._processes[0].pid
        return [
            int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()
        ]

    @property
    def processes(self) -> list[int]:
        return [self._processes[0].pid, *self.workers]


Start = Callable[[Server], None]
"""Starts the processes of a contestant."""


@dataclass(frozen=True)
class Contestant:
    name: str
    start: Start
    needs: tuple[str, ...] = ()
    """Programs and libraries that have to be installed, as programs.py names them."""
    sends: str = "form"
    """The kind of request, as requests.lua names it."""

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve from a new folder on a disk (/tmp may be memory), and clean up."""
        with tempfile.TemporaryDirectory(prefix="incrementer-bench-", dir="/var/tmp") as folder:
            server = Server(Path(folder))
            try:
                self.start(server)
                yield server
            finally:
                server.stop()
