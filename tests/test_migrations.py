"""The database that `make run` finds: a new one, or one that the original system made."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.testbed.commands import MANAGE, run
from tests.testbed.service import Service

ORIGINAL = """
    CREATE TABLE numbers (key TEXT, value INTEGER DEFAULT 0);
    CREATE UNIQUE INDEX numbers_key_index ON numbers (key);
"""


def adopt(folder: Path, rows: Sequence[tuple[Any, Any]], made: str = ORIGINAL) -> Service:
    """Return a service on a database of the original system with these rows, migrated."""
    with closing(sqlite3.connect(folder / "numbers.db")) as database:
        database.executescript(made)
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


def test_whole_numbers_of_other_types_are_adopted(tmp_path: Path) -> None:
    made = "CREATE TABLE numbers (key TEXT, value)"
    rows = [
        ("real", 7.0),
        ("text", "-12"),
        ("most", 2**63 - 1),
        ("least", -(2**63)),
        ("null", None),
    ]
    with adopt(tmp_path, rows, made) as service:
        service.increment("text", 10)
        service.increment("null", 3)
        service.wait_for_totals(
            {"real": 7, "text": -2, "most": 2**63 - 1, "least": -(2**63), "null": 3}
        )


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
    service = Service(tmp_path)
    service.manage("migrate", "-v0")
    with service:
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
        ("CREATE TABLE numbers (id INTEGER, telephone TEXT)", "the columns key and value"),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER, at TEXT);"
            "INSERT INTO numbers VALUES ('a', 1, '2026-11-26')",
            "what is in at would be lost",
        ),
        ("CREATE VIRTUAL TABLE numbers USING fts5 (key, value)", "virtual table"),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER);"
            "CREATE TRIGGER t AFTER INSERT ON numbers BEGIN SELECT 1; END",
            "trigger 't' on 'numbers': drop it",
        ),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER);"
            "CREATE VIEW best AS SELECT * FROM numbers WHERE value > 9",
            "view 'best' on 'numbers': drop it",
        ),
        (
            "CREATE TABLE known (key TEXT PRIMARY KEY);"
            "CREATE TABLE numbers (key TEXT REFERENCES known, value INTEGER)",
            "a foreign key",
        ),
        (
            "CREATE TABLE numbers (key TEXT, value INTEGER); CREATE TABLE numbers_identity (x)",
            "'numbers_identity' already",
        ),
        ("CREATE TABLE numbers_identity (x)", "'numbers_identity' already"),
        (f"{ORIGINAL} CREATE TABLE Request_Ids (x)", "'request_ids' already"),
        ("CREATE TABLE request_ids (x)", "'request_ids' already"),
        (f"{ORIGINAL} CREATE TABLE Positions (x)", "'positions' already"),
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
        (f"{ORIGINAL} CREATE TABLE auth_user (x)", "'auth_user' already"),
    ],
    ids=[
        *("other table", "more columns", "virtual table", "trigger", "view on it", "foreign key"),
        *("identity taken", "identity", "ids in capitals", "ids"),
        "positions in capitals",
        *("view", "referred to", "index taken", "two tables"),
        *("positions taken", "key twice", "positions", "a table of Django's"),
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
    assert not list(tmp_path.glob("*.before-migrate-*"))


@pytest.mark.parametrize(
    ("made", "keys"),
    [
        ("(key TEXT, value INTEGER); CREATE INDEX numbers_key_index ON numbers (key)", ["007"]),
        ("(key TEXT, value INTEGER); CREATE UNIQUE INDEX strange ON numbers (key)", ["007"]),
        ("(key TEXT COLLATE NOCASE PRIMARY KEY, value REAL) WITHOUT ROWID", ["007"]),
        ("(key STRING, value INTEGER)", ["7"]),
        ("(key, value)", ["007"]),
        ("(Key VARCHAR(255) NOT NULL, Value BIGINT NOT NULL)", ["007"]),
        ("(value INTEGER, id INTEGER PRIMARY KEY, key TEXT, note TEXT)", ["007"]),
        ('(key TEXT, value INTEGER); CREATE INDEX "odd ""name" ON numbers (value)', ["007"]),
    ],
    ids=[
        "index not unique",
        "strange index",
        "other types",
        "string",
        "no types",
        "names",
        "id",
        "odd",
    ],
)
def test_a_table_of_another_shape_is_mended_and_a_copy_kept(
    tmp_path: Path, made: str, keys: list[str]
) -> None:
    path = tmp_path / "numbers.db"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(f"CREATE TABLE numbers {made}")
        database.execute("INSERT INTO numbers (key, value) VALUES ('007', 41)")
        database.commit()
        before = database.execute("SELECT * FROM numbers").fetchall()
    service = Service(tmp_path)
    told = service.manage("migrate", "-v0")
    (copy,) = tmp_path.glob("*.before-migrate-*")
    assert str(copy) in told
    assert ("'007' as 7" in told) == (keys == ["7"])
    assert copy.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT * FROM numbers").fetchall() == before
    service.manage("check", "--database", "default")
    with service:
        service.increment(keys[0])
        service.increment("1e3")
        service.wait_for_totals({keys[0]: 42, "1e3": 1})
    service.manage("migrate", "-v0")
    assert list(tmp_path.glob("*.before-migrate-*")) == [copy]


def test_nothing_is_changed_where_no_copy_can_be_kept(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as database:
        database.executescript(ORIGINAL)
        database.execute("INSERT INTO numbers VALUES ('a', 1)")
        database.execute("CREATE TABLE other AS SELECT zeroblob(1048576)")
        database.commit()
    service = Service(tmp_path)
    limited = ("prlimit", "--fsize=524288", "--", *MANAGE, "migrate", "-v0")
    told = run(limited, service.environment, code=1)
    assert "cannot be copied" in told
    assert "Traceback" not in told
    with closing(sqlite3.connect(tmp_path / "numbers.db")) as database:
        assert database.execute("SELECT value FROM numbers").fetchall() == [(1,)]
    assert not list(tmp_path.glob("*.before-migrate-*"))


def test_a_database_of_the_version_before_needs_no_adoption(tmp_path: Path) -> None:
    """That version made `positions` by Django's own means, and adopted in place."""
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executescript("""
            DROP TABLE request_ids;
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


VERSION_BEFORE_IDS = """
    DROP TABLE request_ids;
    DELETE FROM django_migrations WHERE app = 'counters' AND name >= '0005';
    INSERT INTO numbers VALUES ('abc', 41);
"""


@pytest.fixture
def before_ids(tmp_path: Path) -> Service:
    """A service on a database of the version that kept no ids of requests."""
    service = Service(tmp_path)
    with closing(sqlite3.connect(service.database)) as database:
        database.executescript(VERSION_BEFORE_IDS)
    return service


def test_a_database_without_request_ids_waits_for_migrate_and_loses_nothing(
    before_ids: Service,
) -> None:
    with before_ids as service:
        service.increment("abc")
        assert "manage.py migrate" in service.manage("flushnumbers", code=1)
        service.manage("migrate", "-v0")
        service.wait_for_totals({"abc": 42})
        service.manage("check", "--database", "default")


def test_somebody_else_s_request_ids_are_left_alone_and_named(before_ids: Service) -> None:
    with closing(sqlite3.connect(before_ids.database)) as database:
        database.executescript("CREATE TABLE Request_IDs (x); INSERT INTO request_ids VALUES (7)")
    told = before_ids.manage("migrate", "-v0", code=1)
    assert "'request_ids'" in told
    assert "Traceback" not in told
    with closing(sqlite3.connect(before_ids.database)) as database:
        assert database.execute("SELECT x FROM request_ids").fetchall() == [(7,)]
        database.execute("ALTER TABLE request_ids RENAME TO theirs")
    before_ids.manage("migrate", "-v0")
    assert before_ids.totals() == {"abc": 41}


def test_migrating_back_drops_the_request_ids_and_keeps_the_totals(before_ids: Service) -> None:
    before_ids.manage("migrate", "-v0")
    before_ids.manage("migrate", "-v0", "counters", "0004")
    before_ids.manage("migrate", "-v0")
    assert before_ids.totals() == {"abc": 41}
