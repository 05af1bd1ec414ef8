"""Increments from several places at once, and which of them were acknowledged."""

from __future__ import annotations

from http.client import HTTPException
from itertools import count
from threading import Thread

from tests.packaging.project import Project
from tests.testbed.process_group import ProcessGroup
from tests.testbed.requests import send_request


class Caller:
    """Asks a view again and again, with a new key each time, until the server is gone.

    Attributes:
        acknowledged: the keys of the requests that were answered with 200.
        failures: the statuses of those that were answered otherwise.
    """

    def __init__(self, port: int, view: str, name: str) -> None:
        self.acknowledged: list[str] = []
        self.failures: list[int] = []
        self._port = port
        self._view = view
        self._name = name
        self._thread = Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        """Wait until it has seen that the server is gone."""
        self._thread.join()

    def _run(self) -> None:
        for number in count():
            key = f"{self._name}-{number}"
            try:
                status = send_request(self._port, "GET", f"/{self._view}/{key}").status
            except (OSError, HTTPException):
                return
            if status == 200:
                self.acknowledged.append(key)
            else:
                self.failures.append(status)


def acknowledged_by_command(command: ProcessGroup) -> list[str]:
    """Return the keys that `manage.py countforever` has said it counted."""
    *whole, _torn = command.log().split("\n")
    return [f"command-{number}" for number in whole]


def check(project: Project, acknowledged: list[str]) -> None:
    """Assert that each acknowledged increment is in the totals exactly once.

    Each place may have one more there: an increment that was under way when its process was killed.
    """
    totals = project.totals()
    shared = {key: totals.pop(key) for key in ("a", "b", "signup")}
    assert [key for key in acknowledged if key not in totals] == [], "lost"
    assert {key: total for key, total in totals.items() if total != 1} == {}, "counted twice"
    assert shared["a"] == 2 * len(totals)
    assert shared["b"] == -len(totals)
    assert len(acknowledged) <= shared["signup"] <= len(totals)
