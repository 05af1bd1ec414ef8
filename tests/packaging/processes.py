"""Processes of a test: killed for sure, and waited for without sleeping through a condition."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil


class Process:
    """A program in a process group of its own, whose output goes to `log_file`."""

    def __init__(self, command: Sequence[str], folder: Path, log_file: Path) -> None:
        self.log_file = log_file
        with log_file.open("ab") as log:
            self._started = subprocess.Popen(
                command,
                cwd=folder,
                env={"PATH": os.environ["PATH"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def is_running(self) -> bool:
        return self._started.poll() is None

    def interrupt(self) -> None:
        """Send SIGINT to all of the group, as a terminal does, and wait until it has ended."""
        self._end(signal.SIGINT)

    def terminate(self) -> None:
        """Send SIGTERM to the program, as a service manager does, and wait until it has ended."""
        self._started.terminate()
        self._started.wait(30)

    def kill(self) -> None:
        """Send SIGKILL to all of the group and wait until every process of it is gone."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self.log_file.read_text()

    def _end(self, number: int) -> None:
        if not self.is_running():
            return
        leader = psutil.Process(self._started.pid)
        group = [leader, *leader.children(recursive=True)]
        with suppress(ProcessLookupError):  # it has ended meanwhile
            os.killpg(self._started.pid, number)
        self._started.wait(30)
        wait_for(lambda: not any(map(_is_alive, group)), "the processes to be gone", self.log)


def free_port() -> int:
    """Return a port that nobody listens on, below those of outgoing connections."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def wait_for(
    condition: Callable[[], bool], what: str, details: Callable[[], str], seconds: float = 30
) -> None:
    """Return once `condition` holds.

    Raises:
        AssertionError: it does not within `seconds`; `what` and `details` say more.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{details()}"
        time.sleep(0.02)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
