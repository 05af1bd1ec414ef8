"""The real service as a test sees it: processes, a port, a database and a folder of journals."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import psutil
import psycopg

from tests.torture.free_port import free_port

ROOT = Path(__file__).resolve().parent.parent
FORM, JSON = "application/x-www-form-urlencoded", "application/json"
GUNICORN = (sys.executable, "-m", "gunicorn")
MANAGE = (sys.executable, "manage.py")


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """Names are in lower case."""
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """The service, run by `command` on a free port, with all its files in `folder`.

    Its database is migrated and empty, unless `folder` has a `numbers.db` or `settings` names
    another DATABASE_URL. Settings are the service's environment variables; nothing else of the
    test's environment reaches it. As a context manager it starts, and kills what is left at the
    end.
    """

    def __init__(self, folder: Path, *, command: Sequence[str] = GUNICORN, **settings: str) -> None:
        self.folder = folder
        self.database = folder / "numbers.db"
        self.journal_dir = folder / "journal"
        self.log_file = folder / "server.log"
        self.host = settings.get("HOST", "127.0.0.1").strip("[]")
        self.port = free_port()
        self.command = [part.format(port=self.port) for part in command]
        self.env = {
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
        if "DATABASE_URL" not in settings and not self.database.exists():
            self.database.write_bytes(_empty_database())

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    # Processes

    def start(self) -> None:
        """Start the service and return once it answers.

        Raises:
            AssertionError: it has ended, or does not answer in time.
        """
        with self.log_file.open("ab") as log:
            self.process = process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # for `kill`
            )

        def is_up() -> bool:
            assert process.poll() is None, f"the service has ended:\n{self.log()}"
            try:
                return bool(self.request("GET", "/").status)
            except OSError:
                return False

        wait_for(is_up, f"the service to answer on port {self.port}", self.log)

    def stop(self, signal: int = signal.SIGTERM, *, to_all: bool = False) -> int:
        """Send `signal` to the master, or to all as a terminal does, and return the exit code."""
        assert self.process is not None
        if to_all:
            os.killpg(self.process.pid, signal)
        else:
            self.process.send_signal(signal)
        code = self.process.wait(60)
        self.process = None
        return code

    def kill(self) -> None:
        """End master and workers at one blow, as a power cut would (SIGKILL to the group)."""
        if self.process is not None:
            pids = self.pids()
            with suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None
            wait_for(lambda: not any(map(_is_alive, pids)), "the killed processes to be gone")

    def pids(self) -> list[int]:
        """Return the master's process id and then its workers'."""
        return [] if self.process is None else [self.process.pid, *self.workers()]

    def workers(self) -> list[int]:
        """Return the process ids of the live workers."""
        assert self.process is not None
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child.pid for child in children if _is_alive(child.pid)]

    def log(self) -> str:
        """Return what the service has written to stdout and stderr."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def manage(self, *args: str, code: int = 0, stdin: str = "") -> str:
        """Run a management command in the service's environment and return all that it says.

        Raises:
            AssertionError: its exit code is not `code`.
        """
        done = subprocess.run(
            [*MANAGE, *args],
            cwd=ROOT,
            env=self.env,
            input=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    # Requests

    def request(
        self,
        method: str,
        path: str,
        body: bytes | str = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request on a connection of its own and return the reply."""
        with closing(HTTPConnection(self.host, self.port, timeout=60)) as connection:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Reply(response.status, headers, response.read())

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
        query = "SELECT key, value FROM numbers"
        url = self.env["DATABASE_URL"]
        if url.startswith("postgres"):
            with psycopg.connect(url) as postgres:
                return dict(postgres.execute(query).fetchall())
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)) as sqlite:
            return dict(sqlite.execute(query).fetchall())

    def wait_for_totals(self, expected: Mapping[str, int]) -> None:
        """Return once the totals are `expected`."""
        wait_for(
            lambda: self.totals() == expected,
            f"the totals to be {expected}",
            lambda: f"they are {self.totals()}\n{self.log()}",
        )


def wait_for(
    condition: Callable[[], bool],
    what: str,
    details: Callable[[], str] = str,
    seconds: float = 30,
) -> None:
    """Return once `condition` holds.

    Raises:
        AssertionError: it does not within `seconds`; `what` and `details` say more.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}\n{details()}"
        time.sleep(0.02)


@cache
def _empty_database() -> bytes:
    """Return a `numbers.db` as `migrate` makes it; made once, for it takes a second."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), DATABASE_URL=f"sqlite:///{folder}/numbers.db")
        server.manage("migrate", "-v0")
        return server.database.read_bytes()


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
