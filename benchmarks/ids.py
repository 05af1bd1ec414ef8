"""Ids of requests in the database: `python -m benchmarks.ids [MILLIONS ...]`.

How fast a million new ids are inserted and what they take on the disk; then how long a flush's new
ids take in a table that has so many millions of others already (1, 10 and 100 without arguments;
PostgreSQL up to 10). Random ids (UUIDv4) are inserted among random ones, and UUIDv7s behind older
ones, as they come. All of it as the flush does it, with its commit; the flush's checkpoint of
SQLite's `-wal` is a column of its own.

Tables are filled in the order of the ids, which leaves full pages. Where they come in no order,
pages are 69 % full on the average. So of random ids half as many more are inserted, and every third
one is deleted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from statistics import median
from uuid import UUID

import django

from benchmarks.paths import new_folder
from incrementer_site.database import database as database_settings
from tests.testbed.databases import counting_in, empty_database
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.service import Service

_MILLION = 1_000_000
_MOST_ON_POSTGRESQL = 10
_FLUSHES = {1000: 9, 50_000: 5}
"""For each number of ids in a flush, how many flushes are measured."""
_IDS_PER_MS = 10
_FILLED_AT_ONCE = 100_000
_LATEST_MS = 1_800_000_000_000
"""When the newest UUIDv7s of a table that is filled were made."""

Insert = Callable[[dict[bytes, int]], tuple[float, float]]


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"
    django.setup()
    sizes = [int(argument) for argument in sys.argv[1:]] or [1, 10, 100]
    print("| 1,000,000 new ids | ids/s | MB |\n|---|---:|---:|", flush=True)
    for database in _sqlite, _postgresql:
        for kind in _KINDS:
            with database():
                seconds = sum(_insert(_new_ids(kind, _MILLION, seed=1)))
                size = f"{_size_bytes() / 1e6:.0f}"
                print(f"| {kind} into {_name()} | {_MILLION / seconds:,.0f} | {size} |", flush=True)
    print(
        "\n| millions of rows | kind, database | new ids | median, ms | slowest, ms | checkpoint |"
    )
    print("|---:|---|---:|---:|---:|---:|", flush=True)
    for database in _sqlite, _postgresql:
        for millions in sizes:
            if database is _postgresql and millions > _MOST_ON_POSTGRESQL:
                continue
            for kind in _KINDS:
                with database():
                    _fill(kind, millions)
                    _measure_flushes(kind, millions)


@contextmanager
def _sqlite() -> Iterator[None]:
    with new_folder() as folder:
        database = folder / "numbers.db"
        database.write_bytes(empty_database())
        with counting_in(database_settings(f"sqlite:///{database}", folder)):
            yield


@contextmanager
def _postgresql() -> Iterator[None]:
    with (
        new_folder() as folder,
        # Not in that folder: where root starts it, the server runs as another user.
        tempfile.TemporaryDirectory(prefix="postgresql-", dir="/var/tmp") as data,
        start_postgresql(Path(data) / "data") as server,
    ):
        url = new_database(server)
        Service(folder, DATABASE_URL=url).manage("migrate", "-v0")
        with counting_in(database_settings(url, folder)):
            yield


def _v7_upper(count: int, latest_ms: int) -> array[int]:
    """Return the upper halves of UUIDv7s up to a time, in order."""
    first = latest_ms * _IDS_PER_MS - count
    return array("Q", [((first + i) // _IDS_PER_MS) << 16 | 0x7000 for i in range(count)])


def _joined(upper: array[int]) -> bytes:
    """Return ids of 16 bytes, one behind the other: the upper halves are given."""
    halves = array("Q", bytes(16 * len(upper)))
    halves[0::2] = upper
    halves[1::2] = array("Q", os.urandom(8 * len(upper)))
    halves.byteswap()
    return halves.tobytes()


_KINDS = ("UUIDv7", "UUIDv4")


def _new_ids(kind: str, count: int, seed: int) -> dict[bytes, int]:
    """Return new ids in the order in which they might come; those of a greater seed are later."""
    chance = Random(seed)
    if kind == "UUIDv7":
        joined = _joined(_v7_upper(count, _LATEST_MS + seed * 10_000_000))
    else:
        joined = chance.randbytes(16 * count)
    ids = [joined[i : i + 16] for i in range(0, len(joined), 16)]
    for begin in range(0, count, 1000):  # clients' clocks and networks mix them a little
        part = ids[begin : begin + 1000]
        chance.shuffle(part)
        ids[begin : begin + 1000] = part
    return {id_: chance.getrandbits(32) for id_ in ids}


def _fill(kind: str, millions: int) -> None:
    """Insert rows of another day, in the order of their ids."""
    from counters import totals
    from counters.models import RequestId

    rows = millions * _MILLION
    distance = 2**64 // rows
    is_sqlite = totals.connection().vendor == "sqlite"
    for begin in range(0, rows, _FILLED_AT_ONCE):
        if kind == "UUIDv7":
            left_ms = (rows - begin - _FILLED_AT_ONCE) // _IDS_PER_MS
            upper = _v7_upper(_FILLED_AT_ONCE, _LATEST_MS - left_ms)
        else:
            last = begin + _FILLED_AT_ONCE
            upper = array("Q", range(begin * distance, last * distance, distance * 2 // 3))
        joined = _joined(upper)
        with totals.transaction(), totals.connection().cursor() as cursor:
            if is_sqlite:
                cursor.execute(
                    "WITH RECURSIVE s (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s LIMIT %s)"
                    " INSERT INTO request_ids SELECT substr(%s, 16 * i + 1, 16), -7, 500000 FROM s",
                    [len(upper), joined],
                )
            else:
                cursor.execute(
                    "INSERT INTO request_ids SELECT id, -7, 500000"
                    " FROM unnest(%s::uuid[]) AS given (id)",
                    ["{" + joined.hex(",", 16) + "}"],
                )
            if kind == "UUIDv4":
                every_third = [joined[i : i + 16] for i in range(0, len(joined), 48)]
                cursor.executemany(
                    "DELETE FROM request_ids WHERE id = %s",
                    [(each if is_sqlite else UUID(bytes=each),) for each in every_third],
                )
    if not is_sqlite:
        with totals.connection().cursor() as cursor:
            cursor.execute("VACUUM ANALYZE request_ids")
            cursor.execute("CHECKPOINT")
    totals.tidy()
    assert 0 <= RequestId.objects.count() - rows < rows // 1000


def _measure_flushes(kind: str, millions: int) -> None:
    from counters.request_ids import Pruner

    seed = 2
    for count, flushes in _FLUSHES.items():
        took = []
        for _ in range(flushes):
            took.append(_insert(_new_ids(kind, count, seed)))
            seed += 1
        inserts = [insert * 1000 for insert, _ in took]
        checkpoint = f"{median(tidy for _, tidy in took) * 1000:.0f}"
        line = f"{median(inserts):.0f} | {max(inserts):.0f} | {checkpoint} |"
        print(f"| {millions} | {kind}, {_name()} | {count:,} | {line}", flush=True)
    pruner = Pruner(bytes(16))
    began = time.perf_counter()
    pruner.prune(2000)
    took_ms = (time.perf_counter() - began) * 1000
    print(f"| {millions} | {kind}, {_name()} | prune 2,000 rows | {took_ms:.0f} | | |", flush=True)


def _insert(ids: dict[bytes, int]) -> tuple[float, float]:
    """Insert new ids; return how many seconds that took, and the checkpoint after it."""
    from counters import totals
    from counters.request_ids import insert_new

    totals.require_tables()
    began = time.perf_counter()
    with totals.transaction():
        known = insert_new(ids)
    inserted = time.perf_counter()
    totals.tidy()
    assert not known
    return inserted - began, time.perf_counter() - inserted


def _name() -> str:
    from counters import totals

    return totals.connection().display_name


def _size_bytes() -> int:
    """Return what the table takes, with its index."""
    from counters import totals

    connection = totals.connection()
    if connection.vendor == "sqlite":
        return Path(str(connection.settings_dict["NAME"])).stat().st_size
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size('request_ids')")
        size: int = cursor.fetchone()[0]
        return size


if __name__ == "__main__":
    main()
