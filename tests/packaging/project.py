"""Somebody else's Django project, as `django-admin startproject` makes it, that counts."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.testbed.commands import run
from tests.testbed.databases import rows
from tests.testbed.ports import free_port
from tests.testbed.process_group import ProcessGroup
from tests.testbed.requests import send_request

_ENVIRONMENT = {"PATH": os.environ["PATH"]}
"""Without PYTHONPATH and Django's settings, which may be the test's own."""

_SETTINGS = """
INSTALLED_APPS += ["counters", "shop"]
COUNTERS = {"JOURNAL_DIR": BASE_DIR / "journal", "FLUSH_INTERVAL": 0.2}
DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE"}
"""
_COUNTING = """
import counters

def count(name):
    counters.increment_many({"a": 2, "b": -1, name: 1})
    counters.increment("signup", 1)
"""
_URLS = """
from threading import Thread
from django.http import HttpResponse
from django.urls import path
from shop.counting import count

def index(request):
    return HttpResponse()

def view(request, name):
    count(name)
    return HttpResponse()

def thread(request, name):
    counting = Thread(target=count, args=[name])
    counting.start()
    counting.join()
    return HttpResponse()

urlpatterns = [path("", index), path("view/<name>", view), path("thread/<name>", thread)]
"""
_COMMAND = """
from itertools import count as numbers
from django.core.management.base import BaseCommand
from shop.counting import count

class Command(BaseCommand):
    def handle(self, **options):
        for number in numbers():
            count(f"command-{number}")
            print(number, flush=True)
"""


class Project:
    """A project named `shop` in `folder`, which `make_project` has made."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self.python = python
        self.database = folder / "db.sqlite3"
        self.journals = folder / "journal"
        self._started: list[ProcessGroup] = []

    def copy(self, folder: Path) -> Project:
        """Return a copy of the project, with its database, in `folder`, which may exist."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Project(folder, self.python)

    def add_settings(self, text: str) -> None:
        """Write `text` behind the settings that there are."""
        with (self.folder / "shop" / "settings.py").open("a") as file:
            file.write(f"{text}\n")

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the environment's Python in the project and return all that it says.

        Raises:
            AssertionError: its exit code is not `code`.
        """
        command = [str(self.python), *arguments]
        return run(command, _ENVIRONMENT, cwd=self.folder, code=code)

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Run a management command; see `run`."""
        return self.run("manage.py", *arguments, code=code)

    def script(self, text: str) -> str:
        """Run `text` as a plain script that sets Django up itself; see `run`."""
        return self.run("-c", f"{_SET_UP}\n{text}")

    def start(self, *arguments: str) -> ProcessGroup:
        """Start the environment's Python in the project; `kill` ends it, if nothing else does."""
        program = ProcessGroup(
            [str(self.python), *arguments],
            cwd=self.folder,
            environment=_ENVIRONMENT,
            log_file=self.folder / f"process-{len(self._started)}.log",
        )
        self._started.append(program)
        program.start()
        return program

    def kill(self) -> None:
        """Kill what `start` and `serve` have started and what still runs."""
        for program in self._started:
            program.kill()

    def serve(self, *arguments: str) -> tuple[ProcessGroup, int]:
        """Start a server, with "{port}" replaced in `arguments`; return it and its port."""
        port = free_port()
        server = self.start(*(argument.format(port=port) for argument in arguments))

        def answers() -> bool:
            try:
                return send_request(port, "GET", "/").status == 200
            except OSError:
                return False

        server.wait_until(answers, "the server to answer")
        return server, port

    def totals(self, table: str = "numbers", database: Path | None = None) -> dict[str, int]:
        """Return the totals that the database has now."""
        return dict(self._rows(database, f"SELECT key, value FROM {table}"))

    def integrity(self) -> str:
        """Return what SQLite finds wrong with the database: "ok" if nothing."""
        ((found,), *_) = self._rows(None, "PRAGMA integrity_check")
        return str(found)

    def has_table(self, table: str, database: Path | None = None) -> bool:
        tables = self._rows(database, "SELECT name FROM sqlite_master WHERE type = 'table'")
        return (table,) in tables

    def _rows(self, database: Path | None, query: str) -> list[tuple]:
        return rows(f"sqlite:///{database or self.database}", query)


_SET_UP = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
import django
django.setup()
import counters
"""


def make_project(folder: Path, python: Path) -> Project:
    """Make a project in `folder`, with the counters in its settings and no database yet."""
    project = Project(folder, python)
    project.run("-m", "django", "startproject", "shop", ".")
    shop = folder / "shop"
    (shop / "counting.py").write_text(_COUNTING)
    (shop / "urls.py").write_text(_URLS)
    commands = shop / "management" / "commands"
    commands.mkdir(parents=True)
    (commands / "countforever.py").write_text(_COMMAND)
    project.add_settings(_SETTINGS)
    return project
