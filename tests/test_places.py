"""A journal whose process never reached its database names a place: nobody else counts it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest

from counters.records import Header, read_header
from tests.testbed.commands import run
from tests.testbed.databases import rows
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.service import Service

Settings = Callable[[str, str], dict[str, str]]

COUNT = (
    *(sys.executable, "-c"),
    "import django, os; django.setup(); import counters; counters.increment('a', 5); os._exit(0)",
)
"""Counts, and is gone before it has asked the database."""


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A database with the schemas a, b and c, and users a and c, who each use their own."""
    with (
        # Not in pytest's folders, which are closed to the user that the server runs as.
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        start_postgresql(Path(folder) / "data") as server,
    ):
        url = new_database(server)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE SCHEMA a; CREATE SCHEMA b; CREATE SCHEMA c")
            connection.execute("CREATE ROLE a LOGIN SUPERUSER; CREATE ROLE c LOGIN SUPERUSER")
        yield url


def in_schema(url: str, name: str) -> dict[str, str]:
    return {"DATABASE_URL": f"{url}{'&' if '?' in url else '?'}options=-c%20search_path%3D{name}"}


def as_user(url: str, name: str) -> dict[str, str]:
    return {"DATABASE_URL": url.replace("//postgres:@", f"//{name}@")}


def in_options(url: str, name: str) -> dict[str, str]:
    return {"DATABASE_URL": url, "PGOPTIONS": f"--search-path={name}"}


def service(folder: Path, settings: dict[str, str]) -> Service:
    journal = {"JOURNAL_DIR": str(folder / "journal"), "FLUSH_INTERVAL": "3600"}
    django = {"DJANGO_SETTINGS_MODULE": "incrementer_site.settings"}
    made = Service(folder, **settings, **journal, **django)
    made.manage("migrate", "-v0")
    return made


@pytest.mark.parametrize(
    ("one", "other", "schema"),
    [(in_schema, in_schema, "b"), (in_options, in_options, "b"), (as_user, as_user, "c")],
    ids=["options", "PGOPTIONS", "user"],
)
def test_a_journal_is_not_counted_into_another_schema(
    tmp_path: Path, database_url: str, one: Settings, other: Settings, schema: str
) -> None:
    ours = service(tmp_path, one(database_url, "a"))
    theirs = service(tmp_path, other(database_url, schema))
    before = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    run(COUNT, ours.environment)
    assert "another database" in theirs.manage("flushnumbers", code=1)
    assert dict(rows(database_url, f"SELECT key, value FROM {schema}.numbers")) == {}
    ours.manage("flushnumbers")
    after = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    assert after == {"a": before.get("a", 0) + 5}


def test_defaults_that_are_given_in_the_environment_make_no_other_place(
    tmp_path: Path, database_url: str
) -> None:
    named = service(tmp_path, in_schema(database_url, "a"))
    before = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    run(COUNT, named.environment)
    host = database_url.rpartition("host=")[2].partition("&")[0]
    name = database_url.partition("?")[0].rpartition("/")[2]
    url = in_schema(f"postgres:///{name}", "a")
    variables = {"PGHOST": host, "PGUSER": "postgres", "PGPORT": "5432"}
    service(tmp_path, {**url, **variables}).manage("flushnumbers")
    after = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    assert after == {"a": before.get("a", 0) + 5}


def test_a_journal_of_the_version_before_is_counted_at_its_place(
    tmp_path: Path, database_url: str
) -> None:
    """That version named host, port and database as the settings had them."""
    ours = service(tmp_path, in_schema(database_url, "a"))
    before = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    run(COUNT, ours.environment)
    (journal,) = (tmp_path / "journal").glob("*.journal")
    name = database_url.partition("?")[0].rpartition("/")[2]
    place = "\n".join(["postgresql", "", "", name])
    with journal.open("r+b") as file:
        header = read_header(file)
        assert header is not None
        file.seek(0)
        file.write(Header(sha256(place.encode()).digest()[:16], header.mark).encode())
    ours.manage("flushnumbers")
    after = dict(rows(database_url, "SELECT key, value FROM a.numbers"))
    assert after == {"a": before.get("a", 0) + 5}
