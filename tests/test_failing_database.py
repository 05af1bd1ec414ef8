"""A database that fails: every command says so in one sentence, and makes none by mistake."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path

import psycopg
import pytest

from tests.testbed.commands import MANAGE, ROOT, run
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.service import Service

COMMANDS = (
    ("migrate", "-v0"),
    ("flushnumbers",),
    ("resetnumbers", "--noinput"),
    ("createsuperuser", "--noinput", "--username", "a", "--email", "a@a.example"),
)


def say(service: Service, command: tuple[str, ...]) -> str:
    """Run a command that has to fail, and return its last line, which has to be a sentence."""
    said = service.manage(*command, code=1)
    assert "Traceback" not in said
    last = said.splitlines()[-1]
    assert last.endswith("."), said
    return last


def random_bytes(service: Service) -> AbstractContextManager[None]:
    service.database.write_bytes(os.urandom(8192))
    return nullcontext()


@contextmanager
def lock(service: Service) -> Iterator[None]:
    """Lock readers out, too, as a program does that works in `locking_mode=EXCLUSIVE`."""
    service.environment["DATABASE_URL"] += "?timeout=1"
    with closing(sqlite3.connect(service.database, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("CREATE TABLE others (id)")
        yield


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize(
    ("break_", "said"),
    [(random_bytes, "move this one away."), (lock, "Another program has locked it")],
    ids=["random bytes", "locked"],
)
def test_every_command_says_in_a_sentence_that_the_database_fails(
    tmp_path: Path,
    command: tuple[str, ...],
    break_: Callable[[Service], AbstractContextManager[None]],
    said: str,
) -> None:
    service = Service(tmp_path)
    with break_(service):
        sentence = say(service, command)
        assert said in sentence
        assert str(service.database) in sentence
        shown = service.manage(*command, "--traceback", code=1)
        assert "Traceback" in shown


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda command: command[0])
def test_only_migrate_makes_a_database(tmp_path: Path, command: tuple[str, ...]) -> None:
    service = Service(tmp_path)
    service.database.unlink()
    sentence = say(service, command)
    assert f"{service.database}: there is no such file" in sentence
    assert "DATABASE_URL" in sentence
    assert not service.database.exists()
    assert "no such file" in service.manage("check", "--database", "default")
    assert not service.database.exists()


def test_commands_say_what_they_worked_on(tmp_path: Path) -> None:
    service = Service(tmp_path)
    said = service.manage("flushnumbers")
    assert said.endswith(f"journals in {service.journal_dir} into {service.database}.\n")
    assert str(service.database) in service.manage("resetnumbers", "--noinput")


def test_a_database_that_only_others_may_write_to_is_said_to_be_so(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="read-only-") as folder:  # open to other users
        service = Service(Path(folder))
        service.manage("check", "--database", "default")
        Path(folder).chmod(0o755)
        service.database.chmod(0o444)
        (Path(folder) / "journal").chmod(0o777)
        without_rights = ("setpriv", "--bounding-set=-dac_override", "--reuid=65534", "--")
        command = (*(without_rights if os.geteuid() == 0 else ()), *MANAGE, "flushnumbers")
        said = run(command, service.environment, cwd=ROOT, code=1)
        assert "Traceback" not in said
        assert "may not write to" in said


@contextmanager
def password_asked_for(folder: Path, url: str) -> Iterator[None]:
    """Have PostgreSQL ask the user `guarded` for a password."""
    rules = folder / "data" / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text("local all guarded scram-sha-256\n" + before)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
        connection.execute("SELECT pg_reload_conf()")
    yield


def test_postgresql_that_fails_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        start_postgresql(Path(folder) / "data") as server,
        password_asked_for(Path(folder), new_database(server)),
    ):
        good = new_database(server)
        with psycopg.connect(good) as connection:
            name, host = connection.info.dbname, connection.info.host
        for url, expected in (
            (f"postgres://guarded:wrong@/{name}?host={host}", "Mend the user and the password"),
            (f"postgres:///nowhere?host={host}&user=postgres", "does not exist"),
            ("postgres://a:wrong@127.0.0.1:1/numbers", "See that it runs"),
        ):
            for command in COMMANDS:
                sentence = say(Service(tmp_path, DATABASE_URL=url), command)
                assert expected in sentence
                assert "wrong" not in sentence


def test_a_database_that_is_not_migrated_is_told_of_in_a_sentence(tmp_path: Path) -> None:
    service = Service(tmp_path)
    service.database.write_bytes(b"")
    for command in COMMANDS[1:]:
        assert "python manage.py migrate" in say(service, command)


def test_a_relative_path_begins_in_the_project(tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SECRET_KEY": "for tests",
        "DJANGO_SETTINGS_MODULE": "incrementer_site.settings",
        "DATABASE_URL": "sqlite:///some/where.db",
        "JOURNAL_DIR": "some/journals",
        "PYTHONPATH": str(ROOT),
    }
    asked = (
        "import django; django.setup()\n"
        "from counters import totals\n"
        "from counters.config import config\n"
        "print(totals.place(), config().journal_dir)"
    )
    said = run((MANAGE[0], "-c", asked), environment, cwd=tmp_path)
    assert said == f"{ROOT}/some/where.db {ROOT}/some/journals\n"
