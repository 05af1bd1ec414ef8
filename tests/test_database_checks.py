"""What the promises stand on is asked of the database itself, before anything is counted."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from counters.dialects import dialect_of
from tests.testbed.commands import GUNICORN, ROOT
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.service import Service

CHECK = ("check", "--database", "default")


def options(**given: str) -> str:
    return "?" + "&".join(f"{name}={value}" for name, value in given.items())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"init_command": "PRAGMA synchronous=NORMAL"}, "PRAGMA synchronous=FULL"),
        ({"init_command": "PRAGMA synchronous=OFF"}, "PRAGMA synchronous=FULL"),
        ({"transaction_mode": "DEFERRED"}, "'transaction_mode': 'IMMEDIATE'"),
    ],
)
def test_sqlite_on_which_no_promise_can_stand_is_refused_with_advice(
    tmp_path: Path, given: dict[str, str], said: str
) -> None:
    service = Service(tmp_path)
    service.environment["DATABASE_URL"] += options(**given).replace(" ", "%20")
    told = service.manage(*CHECK, code=1)
    assert said in told
    assert "Traceback" not in told
    start = subprocess.run(
        GUNICORN, cwd=ROOT, env=service.environment, capture_output=True, text=True, timeout=60
    )
    assert start.returncode == 1
    assert said in start.stderr


def test_sqlite_as_the_site_sets_it_is_fine(tmp_path: Path) -> None:
    assert "no issues" in Service(tmp_path, JOURNAL_FSYNC="never").manage(*CHECK)


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """An empty database of a PostgreSQL."""
    with (
        # Not in pytest's folders, which are closed to the user that the server runs as.
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        start_postgresql(Path(folder) / "data") as server,
    ):
        yield new_database(server)


def test_postgresql_on_which_no_promise_can_stand_is_refused_with_advice(
    database_url: str, tmp_path: Path
) -> None:
    service = Service(tmp_path, DATABASE_URL=database_url)
    assert "no issues" in service.manage(*CHECK)
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off".encode())
        connection.execute(
            b"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0"
            b" LC_COLLATE 'C' LC_CTYPE 'C'"
        )
    assert "synchronous_commit" in service.manage(*CHECK, code=1)
    assert "synchronous_commit" in service.manage("migrate", code=1)
    service.environment["DATABASE_URL"] = database_url.replace(name, "latin")
    assert "ENCODING 'UTF8'" in service.manage(*CHECK, code=1)


def test_a_database_that_is_away_is_no_reason_to_refuse_increments(tmp_path: Path) -> None:
    nowhere = "postgres://nobody@127.0.0.1:1/nothing"
    with Service(tmp_path, DATABASE_URL=nowhere, WEB_CONCURRENCY="1") as service:
        assert "cannot be asked" in service.manage(*CHECK)
        service.increment("a")


def test_a_database_of_another_kind_is_refused_with_a_sentence() -> None:
    class Oracle:
        vendor = "oracle"
        display_name = "Oracle"

    with pytest.raises(Exception, match="cannot be kept in Oracle: they know SQLite and Postgre"):
        dialect_of(Oracle())  # type: ignore[arg-type]
