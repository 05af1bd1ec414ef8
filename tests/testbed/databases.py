"""The databases that the service counts in, read and locked from outside."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from tests.testbed.commands import MANAGE, ROOT


def rows(url: str, query: str) -> list[tuple]:
    """Return the rows of a query; `url` is a DATABASE_URL."""
    if url.startswith("postgres"):
        with psycopg.connect(url) as postgres:
            return postgres.execute(query.encode()).fetchall()
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=60)) as sqlite:
        return sqlite.execute(query).fetchall()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Keep every other process from writing to an SQLite database."""
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def copy(database: Path, target: Path) -> Path:
    """Copy an SQLite database that others may be using; return `target`."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(target)) as copied:
        source.backup(copied)
    return target


@cache
def empty_database() -> bytes:
    """Return an SQLite database as `migrate` makes it; it is made once, for it takes a second."""
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "numbers.db"
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": f"sqlite:///{database}",
            "JOURNAL_DIR": f"{folder}/journal",
            "DJANGO_SECRET_KEY": "for tests",
        }
        subprocess.run([*MANAGE, "migrate", "-v0"], cwd=ROOT, env=environment, check=True)
        return database.read_bytes()


@contextmanager
def counting_in(settings: dict[str, Any]) -> Iterator[None]:
    """Have this process, which has set up Django, count into the database of these settings."""
    from django.db import connections
    from django.db.utils import ConnectionHandler

    before = connections["default"]
    connection = ConnectionHandler({"default": settings})["default"]
    connections["default"] = connection
    try:
        yield
    finally:
        connection.close()
        connections["default"] = before
