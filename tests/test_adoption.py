"""Adopting an old `numbers.db`: what is refused and left alone, and what interferes with it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.commands import MANAGE, run, running
from tests.testbed.databases import locked
from tests.testbed.service import Service

ORIGINAL = """
    CREATE TABLE numbers (key TEXT, value INTEGER DEFAULT 0);
    CREATE UNIQUE INDEX numbers_key_index ON numbers (key);
"""


@pytest.mark.parametrize(
    ("row", "shown", "said"),
    [
        ("'n' || char(0) || 'ul', 5", "'6E00756C'", "key has a NUL character"),
        ("CAST(x'FF41' AS text), 5", "'FF41'", "key is not valid UTF-8"),
        ("x'FF41', 5", "'FF41'", "key is not valid UTF-8"),
        ("NULL, 40", "key IS NULL", "key is NULL"),
        ("'', 5", "hex(key) = ''", "key is empty"),
        (f"'{'k' * 256}', 5", "length(key) > 255", "key is longer than 255"),
        ("'fraction', 1.5", "the value 1.5", "value is not a whole number"),
        ("'text', '7 apples'", "7 apples", "value is not a whole number"),
        ("'zeros', '007'", "007", "value is not a whole number"),
        ("'bytes', x'37'", "x'37'", "value is not a whole number"),
        ("'endless', 9e999", "inf", "value is not a whole number"),
        ("'great', 9223372036854775808", "9.22", "value is greater than 9223372036854775807"),
        ("'text', '9223372036854775808'", "9223372036854775808", "value is greater"),
    ],
)
def test_a_row_that_is_no_total_is_refused_with_advice_and_nothing_changes(
    tmp_path: Path, row: str, shown: str, said: str
) -> None:
    service = Service(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/old.db")
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"""
            CREATE TABLE numbers (key, value); INSERT INTO numbers VALUES ('n', 100), ({row});
            CREATE TABLE kept AS SELECT hex(key) AS key, hex(value) AS value FROM numbers;
        """)
    before = schema(path)
    for _ in range(2):
        told = service.manage("migrate", "-v0", code=1)
        assert shown in told
        assert said in told
        assert "or delete it" in told
        assert "Traceback" not in told
        assert "adopted." not in told.replace("can be adopted", "")
    assert schema(path) == before
    with closing(sqlite3.connect(path)) as database:
        query = "SELECT hex(key), hex(value) FROM numbers EXCEPT SELECT key, value FROM kept"
        assert not database.execute(query).fetchall()
        database.execute("DELETE FROM numbers WHERE key IS NOT 'n'")
        database.commit()
    assert not list(tmp_path.glob("*.before-migrate-*"))
    service.manage("migrate", "-v0")
    assert service.totals() == {"n": 100}


def schema(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT type, name, sql FROM sqlite_master").fetchall()


def test_a_database_that_is_adopted_by_half_is_not_served(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executescript("""
            CREATE TABLE numbers_to_adopt (key TEXT, value INTEGER);
            INSERT INTO numbers_to_adopt VALUES ('abc', 41), (CAST(x'FF' AS text), 1);
        """)
    told = run(service.command, service.environment, code=1)
    assert "adopted by half" in told
    assert "migrate" in told
    told = service.manage("migrate", "-v0", code=1)  # as a version before may have left it
    assert "1 row" in told or "a row in 'numbers_to_adopt'" in told
    assert "Traceback" not in told
    with closing(sqlite3.connect(service.database)) as database:
        database.execute("DELETE FROM numbers_to_adopt WHERE key IS NOT 'abc'")
        database.commit()
    service.manage("migrate", "-v0")
    with service:
        service.increment("abc")
        service.wait_for_totals({"abc": 42})


def test_of_two_migrates_one_waits(tmp_path: Path) -> None:
    rows = [(f"k{number}", number) for number in range(1000)]
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as database:
        database.executescript(ORIGINAL)
        database.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
        database.commit()
    service = Service(tmp_path)
    migrate = (*MANAGE, "migrate", "-v0")
    folder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)  # as a third does
    with (
        running(migrate, service.environment) as one,
        running(migrate, service.environment) as other,
    ):
        for process in one, other:
            assert process.stdout is not None
            assert "this one waits" in process.stdout.readline()
        os.close(folder)
        said = one.communicate(timeout=60)[0] + other.communicate(timeout=60)[0]
        assert (one.returncode, other.returncode) == (0, 0)
    assert "Traceback" not in said
    assert said.count("are adopted") == 1
    assert len(list(tmp_path.glob("*.before-migrate-*"))) == 1
    assert service.totals() == dict(rows)


def test_a_migrate_that_the_old_service_keeps_out_leaves_no_copy(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")  # where one may read beside a writer
        database.executescript(ORIGINAL)
    url = f"sqlite:///{tmp_path}/numbers.db?timeout=1"
    service = Service(tmp_path, DATABASE_URL=url)
    with locked(tmp_path / "numbers.db"):
        told = service.manage("migrate", "-v0", code=1)
    assert "Another program has locked it" in told
    assert "adopted" not in told
    assert not list(tmp_path.glob("*.before-migrate-*"))
