"""The service as an operator sees it: processes, a port, a database and a folder of journals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Protocol
from urllib.parse import quote_plus

from tests.testbed.commands import GUNICORN, MANAGE, ROOT, running
from tests.testbed.databases import empty_database, rows
from tests.testbed.ports import free_port
from tests.testbed.processes import group_members, has_open, signal_all
from tests.testbed.replies import Reply
from tests.testbed.requests import FORM
from tests.testbed.waiting import wait_for

NEVER = "3600"
"""A FLUSH_INTERVAL longer than any test: what is flushed is flushed for another reason."""


class Service:
    """The service, run by `command` on a free port, with all its files in `folder`.

    Its database is migrated and empty, unless `folder` has a `numbers.db` or `settings` names
    another DATABASE_URL. As a context manager it starts, and at the end what is left of it is
    killed.

    Attributes:
        environment: all that reaches the service of the environment: its settings, and nothing
            of the test's own but PATH.
        process: the master (or the only process), None where it does not run.
    """

    def __init__(self, folder: Path, *, command: Sequence[str] = GUNICORN, **settings: str) -> None:
        self.folder = folder
        self.database = folder / "numbers.db"
        self.journal_dir = folder / "journal"
        self.log_file = folder / "service.log"
        self.host = settings.get("HOST", "127.0.0.1").strip("[]")
        self.port = free_port()
        self.command = [part.format(port=self.port) for part in command]
        self.environment = {
            "PATH": os.environ["PATH"],
            "PORT": str(self.port),
            "DATABASE_URL": f"sqlite:///{self.database}",
            "JOURNAL_DIR": str(self.journal_dir),
            "DJANGO_SECRET_KEY": "for tests",
            "WEB_CONCURRENCY": "2",
            "FLUSH_INTERVAL": "0.2",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if "DATABASE_URL" not in settings and not self.database.exists():
            self.database.write_bytes(empty_database())

    def __enter__(self) -> Service:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    # Start and end

    def start(self) -> None:
        """Start the service and return once it answers.

        Raises:
            AssertionError: it has ended, or does not answer in time.
        """
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a process group of its own, which `kill` needs
            )
        wait_for(self._answers, f"the service to answer on port {self.port}", self.log)

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the service has ended:\n{self.log()[-5000:]}"
        try:
            return self.request("GET", "/healthz", timeout_seconds=5).status == 200
        except (OSError, HTTPException):
            return False

    def ensure_running(self) -> None:
        """Start it if it does not run, and return once all its workers run and one answers.

        Raises:
            AssertionError: it does not start, or come back.
        """
        if self.process is not None and self.process.poll() is not None:
            self.wait_until_gone()
        if self.process is None:
            self.start()
        workers = int(self.environment["WEB_CONCURRENCY"])
        wait_for(
            lambda: self._answers() and len(self.workers()) == workers,
            f"the service to answer with {workers} workers",
            self.log,
        )

    def stop(self, signal_: signal.Signals = signal.SIGTERM, *, to_all: bool = False) -> int | None:
        """Ask it to end, wait until it has ended, and return its exit code.

        With `to_all` every process gets the signal, as from Ctrl-C in a terminal.
        """
        self.send_signal(signal_, self.processes() if to_all else None)
        return self.wait_until_gone()

    def kill(self) -> None:
        """End all its processes at one blow, as a power cut would, and wait until they are gone."""
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
            "every process of the service to end",
            self.log,
        )
        self.process = None  # its process ID may be another program's from now on
        return process.returncode

    # Processes

    @property
    def pid(self) -> int:
        """The process ID of the master, and of the process group."""
        assert self.process is not None, "the service does not run"
        return self.process.pid

    def processes(self) -> list[int]:
        """Return the process IDs of all that is left of it, workers without a master too."""
        process = self.process
        return [] if process is None else group_members(process.pid)

    def workers(self) -> list[int]:
        """Return the process IDs of the live workers."""
        process = self.process
        return [] if process is None else [p for p in self.processes() if p != process.pid]

    def journal_owners(self) -> list[int]:
        """Return the process IDs of the workers that have a journal."""
        return [pid for pid in self.workers() if has_open(pid, ".journal")]

    def send_signal(self, signal_: signal.Signals, pids: Iterable[int] | None = None) -> None:
        """Send a signal to the master, or to `pids`; what does not run any more gets none."""
        if pids is None:
            pids = [] if self.process is None else [self.process.pid]
        signal_all(pids, signal_)

    # Log and commands

    def log(self) -> str:
        """Return what the service has written to stdout and stderr."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_for_log(self, text: str) -> None:
        """Return once `text` is in the log."""
        wait_for(lambda: text in self.log(), f"{text!r} in the log", self.log)

    def manage(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """Run a management command in the service's environment and return all that it says.

        Raises:
            AssertionError: its exit code is not `code`.
        """
        with running([*MANAGE, *arguments], self.environment) as process:
            said, _ = process.communicate(stdin, timeout=120)
        assert process.returncode == code, f"{arguments[0]} ended with {process.returncode}: {said}"
        return said

    # Requests

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 60,
    ) -> Reply:
        """Send one request on a connection of its own and return the reply."""
        connection = HTTPConnection(self.host, self.port, timeout=timeout_seconds)
        with closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            return Reply.read(connection.getresponse())

    def post(self, body: bytes | str, content_type: str = FORM, **headers: str) -> Reply:
        """POST `body` to /increment."""
        return self.request("POST", "/increment", body, {"Content-Type": content_type, **headers})

    def increment(self, key: str, value: int = 1) -> None:
        """Record one increment, which has to be acknowledged."""
        reply = self.post(f"key={quote_plus(key)}&value={value}")
        assert reply.status == 200, reply

    # The database

    def totals(self) -> dict[str, int]:
        """Return the totals that the database has now."""
        return dict(rows(self.environment["DATABASE_URL"], "SELECT key, value FROM numbers"))

    def wait_for_totals(self, expected: Mapping[str, int]) -> None:
        """Return once the totals are `expected`."""
        wait_for(
            lambda: self.totals() == expected,
            f"the totals to be {expected}",
            lambda: f"they are {self.totals()}\n{self.log()}",
        )


class StartService(Protocol):
    """What the fixture `start_service` gives: starts a service that ends with the test."""

    def __call__(self, *, command: Sequence[str] = GUNICORN, **settings: str) -> Service: ...
