"""flushnumbers and resetnumbers, beside running servers, dead ones and none."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.load import Load
from tests.server import Server
from tests.test_server import NEVER


def test_flushnumbers_brings_in_the_living_and_the_dead(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    server.increment("dead", 1)
    server.kill()
    server.start()
    server.increment("living", 2)
    assert server.manage("flushnumbers").startswith("Flushed ")
    assert server.totals() == {"dead": 1, "living": 2}
    assert server.manage("flushnumbers") == "Flushed 0 increments from 0 journals.\n"
    server.increment("living", 3)
    server.stop()
    assert server.totals() == {"dead": 1, "living": 5}


def test_flushnumbers_under_load_is_exact(server: Server) -> None:
    with Load(server) as load:
        for _ in range(2):
            load.wait_for_more(5_000)
            acknowledged = load.so_far
            server.manage("flushnumbers")
            assert sum(server.totals().values()) >= acknowledged
    server.stop()
    assert server.totals() == load.acknowledged


def test_flushnumbers_names_a_file_that_it_cannot_read_and_goes_on(
    start_server: StartServer,
) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    server.increment("a")
    alien = server.journal_dir / "0.journal"
    alien.write_bytes(b"something else")
    said = server.manage("flushnumbers", code=1)
    assert str(alien) in said
    assert server.totals() == {"a": 1}
    assert alien.read_bytes() == b"something else"


def test_resetnumbers_forgets_what_came_before_and_only_that(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    server.increment("flushed", 1)
    server.manage("flushnumbers")
    server.increment("pending", 2)
    assert server.manage("resetnumbers", "--noinput") == "Deleted 1 totals.\n"
    assert server.totals() == {}
    server.increment("pending", 3)
    server.stop()
    assert server.totals() == {"pending": 3}


def test_resetnumbers_under_load_is_exact(server: Server) -> None:
    """Increments before a reset under one key, those after it under another."""
    for round_ in range(2):
        with Load(server, prefix=f"before {round_}") as before:
            before.wait_for_more(3_000)
        with Load(server, prefix="meanwhile") as meanwhile:
            server.manage("resetnumbers", "--noinput")
            meanwhile.wait_for_more(3_000)
            with Load(server, prefix=f"after {round_}") as after:
                after.wait_for_more(3_000)
        server.manage("flushnumbers")
        totals = Counter(server.totals())
        assert not [key for key in totals if key.startswith("before")]
        assert {key: totals[key] for key in after.acknowledged} == after.acknowledged
        for key, acknowledged in meanwhile.acknowledged.items():
            assert totals[key] <= acknowledged
        server.manage("resetnumbers", "--noinput")


def test_resetnumbers_asks_first(start_server: StartServer) -> None:
    server = start_server()
    server.increment("a")
    server.wait_for_totals({"a": 1})
    said = server.manage("resetnumbers", stdin="no\n", code=1)
    assert str(server.database) in said
    assert "nothing was deleted" in said
    assert server.totals() == {"a": 1}
    assert "nothing was deleted" in server.manage("resetnumbers", stdin="", code=1)
    server.manage("resetnumbers", stdin="yes\n")
    assert server.totals() == {}


@pytest.mark.parametrize("command", [("flushnumbers",), ("resetnumbers", "--noinput")])
def test_command_says_that_the_database_failed(tmp_path: Path, command: tuple[str, ...]) -> None:
    server = Server(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/never-migrated.db")
    server.journal_dir.mkdir()
    (server.journal_dir / "0.journal").write_bytes(b"")
    said = server.manage(*command, code=1)
    assert "The database failed: no such table" in said
    assert "Traceback" not in said


def test_flush_and_reset_at_once_under_load_end_well(server: Server) -> None:
    with Load(server) as load, ThreadPoolExecutor() as pool:
        commands = [("flushnumbers",), ("resetnumbers", "--noinput")] * 3
        list(pool.map(lambda command: server.manage(*command), commands))
    server.manage("resetnumbers", "--noinput")
    assert server.totals() == {}
    server.increment("a", 7)
    server.stop()
    assert server.totals() == {"a": 7}
    assert not load.unanswered
