"""The database that `make run` finds: a new one, or one that the original system made."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.service import Service

ORIGINAL = """
    CREATE TABLE numbers (key TEXT, value INTEGER DEFAULT 0);
    CREATE UNIQUE INDEX numbers_key_index ON numbers (key);
"""


def adopt(folder: Path, rows: Sequence[tuple[Any, Any]]) -> Service:
    """Return a service on a database of the original system with these rows, migrated."""
    with closing(sqlite3.connect(folder / "numbers.db")) as database:
        database.executescript(ORIGINAL)
        database.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
        database.commit()
    service = Service(folder)
    service.manage("migrate", "-v0")
    return service


def test_totals_of_the_original_are_kept_and_go_on_counting(tmp_path: Path) -> None:
    with adopt(tmp_path, [("abc", 41), ("it's", -2), ("🦊", 2**62)]) as service:
        service.increment("abc")
        service.increment("new")
        service.wait_for_totals({"abc": 42, "it's": -2, "🦊": 2**62, "new": 1})


def test_values_that_are_no_integers_become_integers(tmp_path: Path) -> None:
    rows = [
        ("null", None),
        ("fraction", 1.5),
        ("number and text", "12 apples"),
        ("text", "apples"),
        ("bytes", b"7"),
        ("least", -(2**63)),
    ]
    totals = {
        "null": 0,
        "fraction": 1,
        "number and text": 12,
        "text": 0,
        "bytes": 7,
        "least": -(2**63),
    }
    with adopt(tmp_path, rows) as service:
        assert service.totals() == totals
        for key in totals:
            service.increment(key, 10)
        service.wait_for_totals({key: total + 10 for key, total in totals.items()})


def test_rows_without_a_key_are_deleted(tmp_path: Path) -> None:
    assert adopt(tmp_path, [(None, 1), (None, 2), ("good", 5)]).totals() == {"good": 5}


def test_key_longer_than_the_limit_is_kept(tmp_path: Path) -> None:
    long = "k" * 1000
    with adopt(tmp_path, [(long, 5)]) as service:
        service.increment("other")
        service.wait_for_totals({long: 5, "other": 1})


def test_second_migrate_changes_nothing(tmp_path: Path) -> None:
    service = adopt(tmp_path, [("abc", 41)])
    service.manage("migrate", "-v0")
    assert service.totals() == {"abc": 41}


def test_fresh_database_has_the_table_and_index_of_the_original(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        columns = database.execute("PRAGMA table_info(numbers)").fetchall()
        indexes = database.execute("PRAGMA index_list(numbers)").fetchall()
        database.execute("INSERT INTO numbers (key) VALUES ('default')")
        database.commit()
    assert [(name, type_.upper()) for _, name, type_, *_ in columns] == [
        ("key", "TEXT"),
        ("value", "INTEGER"),
    ]
    assert [(name, unique) for _, name, unique, *_ in indexes] == [("numbers_key_index", 1)]
    assert service.totals() == {"default": 0}


def test_adoption_goes_on_where_a_killed_migrate_left_it(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as database:
        database.executescript(ORIGINAL)
        database.execute("INSERT INTO numbers VALUES ('abc', 41)")
        database.commit()
        # What the first step does: then `migrate` was killed.
        database.executescript(
            "DROP INDEX numbers_key_index; ALTER TABLE numbers RENAME TO numbers_to_adopt;"
        )
    with Service(tmp_path) as service:
        service.manage("migrate", "-v0")
        service.increment("abc")
        service.wait_for_totals({"abc": 42})


def test_totals_put_aside_are_added_to_what_was_counted_since(tmp_path: Path) -> None:
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executescript("""
            INSERT INTO numbers VALUES ('abc', 1);
            CREATE TABLE numbers_to_adopt (key TEXT, value INTEGER);
            INSERT INTO numbers_to_adopt VALUES ('abc', 41), ('other', 5);
        """)
    service.manage("migrate", "-v0")
    assert service.totals() == {"abc": 42, "other": 5}


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("CREATE TABLE numbers (id INTEGER, telephone TEXT)", "just the columns key and value"),
        ("CREATE TABLE numbers (key TEXT, value INTEGER, at TEXT)", "just the columns"),
        ("CREATE VIEW numbers AS SELECT 'a' AS key, 1 AS value", "not a table"),
        (
            f"{ORIGINAL} CREATE TABLE visits (key REFERENCES numbers (key))",
            "'visits' that refers to 'numbers'",
        ),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER); CREATE TABLE visits (key);"
            "CREATE INDEX numbers_key_index ON visits (key)",
            "an index numbers_key_index of the table 'visits'",
        ),
        (f"{ORIGINAL} CREATE TABLE numbers_to_adopt (key, value)", "waits to be adopted"),
        (f"{ORIGINAL} CREATE TABLE positions (x REAL, y REAL)", "'positions' already"),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER);"
            "INSERT INTO numbers VALUES ('twice', 1), ('twice', 2)",
            "'twice' in more than one row",
        ),
        ("CREATE TABLE positions (x REAL, y REAL)", "'positions' already"),
    ],
    ids=[
        *("other table", "more columns", "view", "referred to", "index taken", "two tables"),
        *("positions taken", "key twice", "positions"),
    ],
)
def test_a_table_that_is_no_table_of_totals_is_refused_and_left_alone(
    tmp_path: Path, made: str, said: str
) -> None:
    path = tmp_path / "numbers.db"

    def content() -> list[Any]:
        with closing(sqlite3.connect(path)) as database:
            query = "SELECT sql FROM sqlite_master WHERE name IN ('numbers', 'positions')"
            return database.execute(query).fetchall()

    with closing(sqlite3.connect(path)) as database:
        database.executescript(made)
    before = content()
    told = Service(tmp_path).manage("migrate", "-v0", code=1)
    assert said in told
    assert "Traceback" not in told
    assert content() == before


def test_a_database_of_the_version_before_needs_no_adoption(tmp_path: Path) -> None:
    """That version made `positions` by Django's own means, and adopted in place."""
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executescript("""
            DROP TABLE numbers_identity;
            DELETE FROM django_migrations WHERE app = 'counters' AND name > '0002';
            DELETE FROM django_migrations WHERE app = 'counters' AND name LIKE '0002%';
            DROP TABLE positions;
            CREATE TABLE "positions" ("journal" varchar(32) NOT NULL PRIMARY KEY,
                "position" bigint NOT NULL);
            INSERT INTO numbers VALUES ('abc', 41);
        """)
    with service:
        service.manage("migrate", "-v0")
        service.increment("abc")
        service.wait_for_totals({"abc": 42})
