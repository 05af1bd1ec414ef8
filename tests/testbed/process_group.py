"""A program and all processes that it starts: one process group, to start, signal, wait for."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.testbed.processes import group_members, signal_all
from tests.testbed.waiting import wait_for


class ProcessGroup:
    """A program run by `command` in the folder `cwd`; its output is appended to `log_file`.

    As a context manager it starts, and at the end what is left of it is killed.

    Attributes:
        environment: all environment variables that the program gets.
        process: the first process, which has started the others; None where it does not run.
    """

    def __init__(
        self, command: Sequence[str], *, cwd: Path, environment: Mapping[str, str], log_file: Path
    ) -> None:
        self.command = command
        self.cwd = cwd
        self.environment = dict(environment)
        self.log_file = log_file
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    # Start and end

    def start(self) -> None:
        """Start the program, and do not wait for anything that it does."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own, which `kill` needs
            )

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Return once `condition()` is true; the program has to run until then.

        Raises:
            AssertionError: the program has ended.
            Timeout: the condition is not true in time; the message says `what` was waited for.
        """

        def is_true() -> bool:
            assert self.process is not None, "it was not started"
            assert self.process.poll() is None, f"it has ended:\n{self.log()[-5000:]}"
            return bool(condition())

        wait_for(is_true, what, self.log)

    def stop(self, signal_: signal.Signals = signal.SIGTERM, *, to_all: bool = False) -> int | None:
        """Ask it to end, wait until it has ended, and return its exit code.

        With `to_all` every process gets the signal, as from Ctrl-C in a terminal.
        """
        self.send_signal(signal_, self.processes() if to_all else None)
        return self.wait_until_gone()

    def kill(self) -> None:
        """Kill all its processes at the same time, as a power cut would; wait until they end."""
        if self.process is not None:
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self.wait_until_gone()

    def wait_until_gone(self) -> int | None:
        """Return its exit code once none of its processes is left; None where it did not run.

        Raises:
            Timeout: a process is left.
        """
        process = self.process
        if process is None:
            return None
        wait_for(
            lambda: process.poll() is not None and not self.processes(),
            "every process of the group to end",
            self.log,
        )
        self.process = None  # its process ID may be another program's from now on
        return process.returncode

    # Processes

    @property
    def pid(self) -> int:
        """The process ID of the first process, which is also the ID of the group."""
        assert self.process is not None, "it does not run"
        return self.process.pid

    def processes(self) -> list[int]:
        """Return the process IDs of all that still run, also where the first one has ended."""
        process = self.process
        return [] if process is None else group_members(process.pid)

    def workers(self) -> list[int]:
        """Return the process IDs of all that still run but the first: of a master, its workers."""
        process = self.process
        return [] if process is None else [p for p in self.processes() if p != process.pid]

    def send_signal(self, signal_: signal.Signals, pids: Iterable[int] | None = None) -> None:
        """Send a signal to the first process, or to `pids`; those that have ended get none."""
        if pids is None:
            pids = [] if self.process is None else [self.process.pid]
        signal_all(pids, signal_)

    # Log

    def log(self) -> str:
        """Return what the program has written to stdout and stderr."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def wait_for_log(self, text: str) -> None:
        """Return once `text` is in the log."""
        wait_for(lambda: text in self.log(), f"{text!r} in the log", self.log)
