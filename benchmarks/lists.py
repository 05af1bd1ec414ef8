"""Lists of ten million totals, and flushes into them: `python -m benchmarks.lists`.

Each page has 1,000 totals, and is asked for over HTTP on a connection that stays open, while
nothing else runs. The times are those that the client sees. A list in the order of values is made
before its pages are asked for; how long the first request waited for that is a line of its own.

Flushes are measured on PostgreSQL with keys in the order of code points, and in that of the
database's locale, in turns.
"""

from __future__ import annotations

import os
import random
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import django
import psycopg

from benchmarks.paths import new_folder
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.replies import Reply
from tests.testbed.service import Service

ROWS = 10_000_000
_LIMIT = 1000
_REPEATS = 20
_FLUSHED_KEYS = 100_000
_ROUNDS = 4

_COLUMNS = "'key:' || (i % 1000) || ':' || (i / 1000), i * 7919 % 10000019"
_FILL_SQLITE = f"""
    WITH RECURSIVE s (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s LIMIT {{rows}})
    INSERT INTO numbers SELECT {_COLUMNS} FROM s
    """
_FILL_POSTGRESQL = f"""
    INSERT INTO numbers SELECT {_COLUMNS} FROM generate_series(0, {{rows}}::bigint - 1) AS s (i)
    """


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    print("| database | order | page | median, ms | slowest, ms |\n|---|---|---|---:|---:|")
    with _postgresql(rows) as service:
        os.environ |= {"DJANGO_SETTINGS_MODULE": "incrementer_site.settings", **service.environment}
        django.setup()
        _measure_pages("PostgreSQL", service)
        service.stop()
        flushes = _measure_flushes(service.environment["DATABASE_URL"], rows)
    with _sqlite(rows) as service:
        _measure_pages("SQLite", service)
    print("\n| flush into PostgreSQL | existing keys/s | new keys/s |\n|---|---:|---:|")
    print("\n".join(flushes))


@contextmanager
def _sqlite(rows: int) -> Iterator[Service]:
    with new_folder() as folder:
        service = Service(folder, WEB_CONCURRENCY="1")
        with closing(sqlite3.connect(service.database)) as database:
            database.execute(_FILL_SQLITE.format(rows=rows))
            database.commit()
        with service:
            yield service


@contextmanager
def _postgresql(rows: int) -> Iterator[Service]:
    with (
        new_folder() as folder,
        # Not in that folder: where root starts it, the server runs as another user.
        tempfile.TemporaryDirectory(prefix="postgresql-", dir="/var/tmp") as data,
        start_postgresql(Path(data) / "data") as server,
    ):
        url = new_database(server)
        service = Service(folder, DATABASE_URL=url, WEB_CONCURRENCY="1")
        service.manage("migrate", "-v0")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(_FILL_POSTGRESQL.format(rows=rows).encode())
            connection.execute("VACUUM ANALYZE numbers")
        with service:
            yield service


class _Client:
    """One connection to a service."""

    def __init__(self, service: Service) -> None:
        self._connection = HTTPConnection("127.0.0.1", service.port, timeout=60)

    def get(self, **query: str | int) -> tuple[Any, float]:
        """Return a page, and how long it took, in milliseconds."""
        began = time.perf_counter()
        while True:
            self._connection.request("GET", f"/numbers?{urlencode(query)}")
            reply = Reply.read(self._connection.getresponse())
            if reply.status != 503:  # its list is being made
                break
            time.sleep(0.1)
        assert reply.status == 200, reply
        return reply.json(), (time.perf_counter() - began) * 1000


def _measure_pages(database: str, service: Service) -> None:
    client = _Client(service)

    def report(page: str, **query: str | int) -> None:
        times = sorted(client.get(**query)[1] for _ in range(_REPEATS))
        name = _name(**query)
        line = f"| {database} | {name} | {page} | {median(times):.1f} | {times[-1]:.1f} |"
        print(line, flush=True)

    for prefix in "", "key:5":
        for order in "key", "-key":
            whole: dict[str, str | int] = {"order": order, "prefix": prefix, "limit": _LIMIT}
            report("first", **whole)
            # The totals behind the middle, and the last ones, found from the other end.
            report("in the middle", **whole, cursor=_cursor(order, prefix, "key:550:5", 0))
            other = "-key" if order == "key" else "key"
            ends, _ = client.get(**{**whole, "order": other, "limit": _LIMIT // 2})
            end = ends["numbers"][-1]
            report("last", **whole, cursor=_cursor(order, prefix, end["key"], end["value"]))
    for prefix in "", "key:5":
        for order in "value", "-value":
            whole = {"order": order, "prefix": prefix, "limit": _LIMIT}
            page, took_ms = client.get(**whole)
            print(f"| {database} | {_name(**whole)} | its list is made | {took_ms:.0f} | |")
            report("first", **whole)
            cursor = ""
            while page["next"]:
                cursor = page["next"].rpartition("cursor=")[2]
                page, _ = client.get(**whole, cursor=cursor)
            report("last", **whole, cursor=cursor)


def _name(order: str | int, prefix: str | int, **query: str | int) -> str:
    return f"{order}, prefix {prefix}" if prefix else str(order)


def _cursor(order: str, prefix: str, key: str, value: int) -> str:
    from counters.web.listing import Cursor

    return Cursor(order, len(prefix), key, value).encoded()


def _measure_flushes(url: str, rows: int) -> list[str]:
    """Return the lines of a table."""
    from counters import totals

    chance = random.Random(1)
    rates: dict[str, tuple[list[float], list[float]]] = {"default": ([], []), "C": ([], [])}
    with psycopg.connect(url, autocommit=True) as connection:
        query = "SELECT datcollate FROM pg_database WHERE datname = current_database()"
        (locale,) = connection.execute(query).fetchone() or ("",)
        for number in range(_ROUNDS):
            in_turn = list(rates.items())[:: 1 if number % 2 else -1]
            for collation, (existing, new) in in_turn:
                connection.execute(
                    f'ALTER TABLE numbers ALTER key TYPE text COLLATE "{collation}"'.encode()
                )
                connection.execute("VACUUM ANALYZE numbers")
                connection.execute("CHECKPOINT")
                numbers = chance.sample(range(rows), _FLUSHED_KEYS)
                for into, prefix in (existing, "key"), (new, f"new {number} {collation}"):
                    deltas = {f"{prefix}:{i % 1000}:{i // 1000}": 1 for i in numbers}
                    began = time.perf_counter()
                    totals.add_to_totals(deltas)
                    into.append(_FLUSHED_KEYS / (time.perf_counter() - began))
    names = {"default": f"the database's locale, {locale}", "C": "code points"}
    return [
        f"| in the order of {names[collation]} | {median(existing):,.0f} | {median(new):,.0f} |"
        for collation, (existing, new) in rates.items()
    ]


if __name__ == "__main__":
    main()
