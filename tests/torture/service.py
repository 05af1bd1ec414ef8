"""The real service as a group of processes: start it, stop it, hurt it, read its totals."""

from __future__ import annotations

import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil
import psycopg

from tests.torture.free_port import free_port

ROOT = Path(__file__).resolve().parent.parent.parent
_PATIENCE = 60
"""Seconds after which what has not come will not come."""


class HarnessError(Exception):
    """What the harness wanted to happen did not happen, so that its account would prove nothing."""


def wait_until(condition: Callable[[], object], what: str, seconds: float = _PATIENCE) -> None:
    """Return once `condition()` is true.

    Raises:
        HarnessError: it was not, for so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise HarnessError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


def _has_journal(pid: int) -> bool:
    with suppress(psutil.Error):
        files = psutil.Process(pid).open_files()
        return any(file.path.endswith(".journal") for file in files)
    return False


class Service:
    """gunicorn with the repository's own configuration, in a folder and on a port of its own."""

    def __init__(self, folder: Path, **settings: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.database = folder / "numbers.db"
        self.journals = folder / "journal"
        self.orders = folder / "orders"
        self.orders.mkdir(exist_ok=True)
        self.log = folder / "log"
        self.port = free_port()
        self.env = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "incrementer_site.settings",
            "DJANGO_SECRET_KEY": "torture",
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_CONCURRENCY": "2",
            "FLUSH_INTERVAL": "0.2",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "JOURNAL_DIR": str(self.journals),
            "TORTURE_ORDERS": str(self.orders),
            **settings,
        }
        self.group = 0

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.master = subprocess.Popen(
                [sys.executable, "-m", "gunicorn", "-c", "tests/torture/sabotaged_gunicorn.py"],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.group = self.master.pid
        wait_until(self._answers, f"the service to start; see {self.log}")

    def _answers(self) -> bool:
        if self.master.poll() is not None:
            raise HarnessError(f"the service did not start:\n{self.log.read_text()[-2000:]}")
        return self.get("/healthz") == 200 and len(self.workers()) == self.workers_wanted

    @property
    def workers_wanted(self) -> int:
        return int(self.env["WEB_CONCURRENCY"])

    def get(self, path: str) -> int:
        """Return the status of a GET, or 0 where there is no answer."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)) as connection:
            try:
                connection.request("GET", path)
                return connection.getresponse().status
            except (OSError, http.client.HTTPException):
                return 0

    def workers(self) -> list[int]:
        """Return the process IDs of the workers that have begun to run."""
        return sorted(pid for pid in self.processes() if pid != self.master.pid)

    def processes(self) -> list[int]:
        """Return the process IDs of everything that is left of the service, orphans too."""
        alive = []
        for process in psutil.process_iter():
            with suppress(OSError, psutil.Error):
                group = os.getpgid(process.pid)
                if group == self.group and process.status() != psutil.STATUS_ZOMBIE:
                    alive.append(process.pid)
        return alive

    def send(self, sig: signal.Signals, *pids: int) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, sig)

    def kill_everything(self) -> None:
        if self.group:
            with suppress(ProcessLookupError):
                os.killpg(self.group, signal.SIGKILL)
            self.wait_gone()

    def owners(self) -> list[int]:
        """Return the workers that have a journal."""
        return [worker for worker in self.workers() if _has_journal(worker)]

    def wait_gone(self) -> None:
        self.master.wait(_PATIENCE)
        wait_until(lambda: not self.processes(), "every process to end")

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """Ask it to end, and wait until it has."""
        self.send(sig, self.master.pid)
        self.wait_gone()

    def ensure_running(self) -> None:
        """Start it again if its master is gone; wait until its workers answer."""
        if self.master.poll() is not None:
            wait_until(lambda: not self.processes(), "orphaned workers to end")
            self.start()
        wait_until(self._answers, "the service to answer again")

    def order(self, name: str, text: str = "") -> Path:
        """Give the saboteurs an order; return its file, which a one-time order removes."""
        path = self.orders / name
        path.with_suffix(".tmp").write_text(text)
        return path.with_suffix(".tmp").rename(path)

    def wait_for_log(self, text: str) -> None:
        wait_until(lambda: text in self.log.read_text(), f"{text!r} in the log")

    def manage(self, *command: str) -> None:
        """Run a management command.

        Raises:
            HarnessError: it failed.
        """
        with self.managing(*command) as process:
            text, _ = process.communicate(timeout=_PATIENCE)
        if process.returncode:
            raise HarnessError(f"{command[0]} failed: {text}")

    @contextmanager
    def managing(self, *command: str, sabotaged: bool = False) -> Iterator[subprocess.Popen[str]]:
        """Run a management command beside the block; what is left of it is killed at the end."""
        program = ["-m", "tests.torture.sabotaged_manage"] if sabotaged else ["manage.py"]
        process = subprocess.Popen(
            [sys.executable, *program, *command],
            cwd=ROOT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def rows(self, query: str) -> list[tuple]:
        """Return the rows of a query on its database."""
        url = self.env["DATABASE_URL"]
        if url.startswith("postgres"):
            with psycopg.connect(url) as postgres:
                return postgres.execute(query.encode()).fetchall()
        with closing(sqlite3.connect(self.database, timeout=_PATIENCE)) as sqlite:
            return sqlite.execute(query).fetchall()

    def totals(self) -> dict[str, int]:
        return dict(self.rows("SELECT key, value FROM numbers"))
