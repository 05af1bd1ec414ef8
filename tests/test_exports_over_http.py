"""`/numbers.csv` and `/numbers.ndjson`: all totals of one moment, and bounds for slow clients."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from io import StringIO
from pathlib import Path

import psycopg
import pytest

from tests.testbed.commands import IMPATIENT, WSGI
from tests.testbed.postgresql import new_database
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

PATHS = ("/numbers.csv", "/numbers.ndjson")
MANY = 1_000_000
"""More totals than the buffers between service and client hold."""
ODD = ['"', ",", "a,b", "\n", "\r\n", " a ", "=1", "🦊", "\x01", "\\", "null", "007", "\u2028"]


def read(path: str, body: bytes) -> dict[str, int]:
    """Return the totals in an export."""
    text = body.decode()
    if path.endswith("csv"):
        header, *rows = csv.reader(StringIO(text, newline=""))
        assert header == ["key", "value"]
        return {key: int(value) for key, value in rows}
    pairs = [json.loads(line) for line in text.split("\n")[:-1]]
    return {pair["key"]: pair["value"] for pair in pairs}


def fill(service: Service) -> None:
    """Put `MANY` totals into the database: each is 1."""
    url = service.environment["DATABASE_URL"]
    if url.startswith("postgres"):
        with psycopg.connect(url) as postgres:
            postgres.execute(
                "INSERT INTO numbers SELECT 'key ' || i, 1 FROM generate_series(1, %s) AS s (i)",
                [MANY],
            )
        return
    with closing(sqlite3.connect(service.database, timeout=60)) as sqlite:
        sqlite.execute(
            "WITH RECURSIVE s (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s LIMIT ?)"
            " INSERT INTO numbers SELECT 'key ' || i, 1 FROM s",
            [MANY],
        )
        sqlite.commit()


def begin(service: Service, path: str, stack: ExitStack) -> HTTPResponse:
    """Return the reply to a request for an export, of which the head has been read."""
    connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", service.port, timeout=60)))
    connection.request("GET", path)
    return connection.getresponse()


@pytest.mark.parametrize("path", PATHS)
def test_an_export_has_every_total_and_every_key_as_it_is(
    start_service: StartService, path: str
) -> None:
    service = start_service()
    assert read(path, service.request("GET", path).body) == {}
    totals = {key: n * 2**59 for n, key in enumerate(ODD, start=-7)}
    body = json.dumps([{"key": key, "value": value} for key, value in totals.items()])
    assert service.post(body, JSON).status == 200
    service.wait_for_totals(totals)
    reply = service.request("GET", path)
    assert reply.status == 200
    assert read(path, reply.body) == totals
    head = service.request("HEAD", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == reply.headers["content-type"]
    assert "content-length" not in head.headers
    refused = service.request("GET", f"{path}?prefix=a")
    assert (refused.status, refused.json()["field"]) == (400, "prefix")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_an_export_is_of_one_moment_and_others_wait_until_it_is_over(
    tmp_path: Path, request: pytest.FixtureRequest, database: str
) -> None:
    settings = {"FLUSH_INTERVAL": NEVER, "WEB_CONCURRENCY": "1"}
    if database == "postgresql":
        settings["DATABASE_URL"] = new_database(request.getfixturevalue("postgresql"))
    service = Service(tmp_path, **settings)
    service.manage("migrate", "-v0")
    fill(service)
    with service, ExitStack() as stack:
        exports = [begin(service, path, stack) for path in PATHS]
        assert [reply.status for reply in exports] == [200, 200]
        refused = begin(service, PATHS[0], stack)
        assert refused.status == 503
        assert refused.getheader("Retry-After")
        service.increment("key 1", 5)
        service.increment(f"key {MANY}", 5)
        service.increment("z", 5)
        service.manage("flushnumbers")
        before = dict.fromkeys((f"key {n}" for n in range(1, MANY + 1)), 1)
        for path, reply in zip(PATHS, exports, strict=True):
            assert read(path, reply.read()) == before
        changed = {"key 1": 6, f"key {MANY}": 6, "z": 5}

        def after() -> dict[str, int] | None:
            reply = service.request("GET", PATHS[0])
            return read(PATHS[0], reply.body) if reply.status == 200 else None

        wait_for(lambda: after() == before | changed, "an export of what is now")


def test_a_client_that_leaves_gives_its_place_to_others(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    fill(service)
    for _ in range(3):
        with ExitStack() as stack:
            wait_for(
                lambda: [begin(service, path, stack).status for path in PATHS] == [200, 200],
                "both places",
            )


def test_a_client_that_does_not_read_is_cut_off(start_service: StartService) -> None:
    service = start_service(command=IMPATIENT, WEB_CONCURRENCY="1")
    fill(service)
    with ExitStack() as stack:
        for path in PATHS:
            assert begin(service, path, stack).status == 200
        assert begin(service, PATHS[0], stack).status == 503
        wait_for(lambda: begin(service, PATHS[0], stack).status == 200, "a place")


def test_a_client_that_reads_too_slowly_knows_that_it_does_not_have_all(
    start_service: StartService,
) -> None:
    service = start_service(command=IMPATIENT, WEB_CONCURRENCY="1")
    fill(service)
    with ExitStack() as stack:
        slow = begin(service, PATHS[0], stack)

        def read_slowly() -> None:
            while slow.read(1000):
                service.request("GET", "/healthz")

        with pytest.raises((IncompleteRead, ConnectionError)):
            read_slowly()
    assert "An export was ended" in service.log()
    assert "Traceback" not in service.log()


def test_exports_are_the_same_without_an_event_loop(start_service: StartService) -> None:
    service = start_service(command=WSGI)
    service.increment("a", 3)
    service.wait_for_totals({"a": 3})
    assert service.request("GET", "/numbers.csv").body == b"key,value\r\na,3\r\n"
    assert service.request("GET", "/numbers.ndjson").body == b'{"key":"a","value":3}\n'


def test_exports_that_follow_each_other_do_not_let_the_wal_grow_for_ever(tmp_path: Path) -> None:
    """What an export reads cannot be written back before its end: a further one waits for it."""
    with Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER) as service:
        with closing(sqlite3.connect(service.database, timeout=60)) as database:
            database.execute("INSERT INTO numbers VALUES ('a', 1)")
            database.commit()
            os.truncate(f"{service.database}-wal", 300 * 1024 * 1024)  # a hole: it takes no room
            reply = service.request("GET", "/numbers.csv")
            assert reply.status == 503
            assert reply.headers["retry-after"]
            assert service.request("GET", "/numbers/a").json()["value"] == 1
            service.wait_for_log("numbers.db-wal has 314572800 bytes")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        assert service.request("GET", "/numbers.csv").body == b"key,value\r\na,1\r\n"
