"""Somebody else's Django project, as `django-admin startproject` makes it, that counts."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

from tests.packaging.processes import Process, free_port, wait_for

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
        self._started: list[Process] = []

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
        done = subprocess.run(
            [str(self.python), *arguments],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"]},  # PYTHONPATH and Django's settings are not ours
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    def manage(self, *arguments: str, code: int = 0) -> str:
        """Run a management command; see `run`."""
        return self.run("manage.py", *arguments, code=code)

    def script(self, text: str) -> str:
        """Run `text` as a plain script that sets Django up itself; see `run`."""
        return self.run("-c", f"{_SET_UP}\n{text}")

    def start(self, *arguments: str) -> Process:
        """Start the environment's Python in the project; `kill` ends it, if nothing else does."""
        log_file = self.folder / f"process-{len(self._started)}.log"
        process = Process([str(self.python), *arguments], self.folder, log_file)
        self._started.append(process)
        return process

    def kill(self) -> None:
        """Kill what `start` and `serve` have started and what still runs."""
        for process in self._started:
            process.kill()

    def serve(self, *arguments: str) -> tuple[Process, int]:
        """Start a server, with "{port}" replaced in `arguments`; return it and its port."""
        port = free_port()
        server = self.start(*(argument.format(port=port) for argument in arguments))

        def answers() -> bool:
            assert server.is_running(), server.log()
            try:
                return get(port, "/") == 200
            except OSError:
                return False

        wait_for(answers, "the server to answer", server.log)
        return server, port

    def totals(self, table: str = "numbers", database: Path | None = None) -> dict[str, int]:
        """Return the totals that the database has now."""
        with closing(sqlite3.connect(database or self.database, timeout=60)) as connection:
            return dict(connection.execute(f"SELECT key, value FROM {table}").fetchall())

    def has_table(self, table: str, database: Path | None = None) -> bool:
        with closing(sqlite3.connect(database or self.database, timeout=60)) as connection:
            query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
            return bool(connection.execute(query, [table]).fetchone()[0])


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


def get(port: int, path: str) -> int:
    """Send a GET on a connection of its own and return the reply's status.

    Raises:
        OSError, http.client.HTTPException: no whole reply came.
    """
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
