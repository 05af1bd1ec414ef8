"""The service as an operator sees it: processes, a port, a database and a folder of journals."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Protocol
from urllib.parse import quote_plus

from tests.testbed.commands import GUNICORN, MANAGE, ROOT, run
from tests.testbed.databases import empty_database, rows
from tests.testbed.ports import free_port
from tests.testbed.process_group import ProcessGroup
from tests.testbed.processes import has_open
from tests.testbed.replies import Reply
from tests.testbed.requests import FORM, send_request
from tests.testbed.waiting import wait_for

NEVER = "3600"
"""A FLUSH_INTERVAL longer than any test: what is flushed is flushed for another reason. The flush
that each worker makes at its start is over when `Service.start` returns."""
_FLUSHED = "Flushing into"
"""What a worker logs after its first flush."""


class Service(ProcessGroup):
    """The service in `checkout`, run by `command`, with all its files in `folder`.

    It listens on a free port, unless `settings` names a PORT. Its database is migrated and empty,
    unless `folder` has a `numbers.db` or `settings` names another DATABASE_URL.

    Its environment has the settings, and nothing of the test's own environment but PATH.
    """

    def __init__(
        self,
        folder: Path,
        checkout: Path = ROOT,
        /,
        *,
        command: Sequence[str] = GUNICORN,
        **settings: str,
    ) -> None:
        self.folder = folder
        self.database = folder / "numbers.db"
        self.journal_dir = folder / "journal"
        self.host = (settings.get("HOST") or "127.0.0.1").strip("[]")
        self.port = int(settings.get("PORT") or free_port())
        temporary_files = folder / "tmp"
        temporary_files.mkdir(parents=True, exist_ok=True)
        super().__init__(
            [part.format(port=self.port) for part in command],
            cwd=checkout,
            log_file=folder / "service.log",
            environment={
                "PATH": os.environ["PATH"],
                "TMPDIR": str(temporary_files),
                "PORT": str(self.port),
                "DATABASE_URL": f"sqlite:///{self.database}",
                "JOURNAL_DIR": str(self.journal_dir),
                "DJANGO_SECRET_KEY": "for tests",
                "WEB_CONCURRENCY": "2",
                "FLUSH_INTERVAL": "0.2",
                **settings,
            },
        )
        if "DATABASE_URL" not in settings and not self.database.exists():
            self.database.write_bytes(empty_database())
            self.database.chmod(0o600)  # as the service would make it

    def start(self) -> None:
        """Start the service and return once it answers.

        Raises:
            AssertionError: it has ended, or does not answer in time.
        """
        before = self.log().count(_FLUSHED)
        super().start()
        self.wait_until(self._answers, f"the service to answer on port {self.port}")
        if self.environment["FLUSH_INTERVAL"] == NEVER:
            flushes = before + int(self.environment["WEB_CONCURRENCY"])
            self.wait_until(lambda: self.log().count(_FLUSHED) >= flushes, "the first flushes")

    def _answers(self) -> bool:
        try:
            return self.request("GET", "/healthz", timeout_seconds=5).status == 200
        except (OSError, HTTPException):
            return False

    def ensure_running(self) -> None:
        """Start it if it does not run, and return once all its workers run and one answers.

        Raises:
            AssertionError: it does not start, or one of them does not run again in time.
        """
        if self.process is not None and self.process.poll() is not None:
            self.wait_until_gone()
        if self.process is None:
            self.start()
        workers = int(self.environment["WEB_CONCURRENCY"])
        self.wait_until(
            lambda: self._answers() and len(self.workers()) == workers,
            f"the service to answer with {workers} workers",
        )

    def journal_owners(self) -> list[int]:
        """Return the process IDs of the workers that have a journal."""
        return [pid for pid in self.workers() if has_open(pid, ".journal")]

    def manage(self, *arguments: str, code: int = 0, stdin: str = "") -> str:
        """Run a management command in the service's environment and return all that it says.

        Raises:
            AssertionError: its exit code is not `code`.
        """
        command = [*MANAGE, *arguments]
        return run(command, self.environment, cwd=self.cwd, code=code, stdin=stdin)

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
        return send_request(
            self.port, method, path, body, headers, host=self.host, timeout_seconds=timeout_seconds
        )

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
