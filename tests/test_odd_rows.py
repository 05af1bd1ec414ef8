"""Rows that a person has put into an SQLite database and that are no totals: no other suffers."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.service import Service

WAYS = {"lane": GUNICORN, "event loop": PLAIN_ASGI, "Django": WSGI}
TOTALS = {"first": 1, "last": 2}
ODD = {"half": 1.5, "infinite": float("inf"), "text": "abc", "blob": b"\xff\x00"}


@pytest.fixture(scope="module", params=WAYS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("odd")
    with Service(folder, command=WAYS[request.param], WEB_CONCURRENCY="1") as running:
        with closing(sqlite3.connect(running.database, timeout=30)) as database:
            rows = [*TOTALS.items(), *ODD.items(), (b"\xffkey", 3)]
            database.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
            database.commit()
        yield running


@pytest.mark.parametrize("query", ["", "?fresh=1"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_row_is_no_total_and_others_are_told(service: Service, odd: str, query: str) -> None:
    for _ in range(2):  # what asks the database goes on afterwards
        assert service.request("GET", f"/numbers/{odd}{query}", timeout_seconds=20).status == 404
        reply = service.request("GET", f"/numbers/first{query}", timeout_seconds=20)
        assert (reply.status, reply.json()) == (200, {"key": "first", "value": 1})
    both = service.request("GET", f"/numbers?key={odd}&key=last", timeout_seconds=20).json()
    assert [each["value"] for each in both["numbers"]] == [None, 2]
    assert service.request("GET", f"/badge/{odd}.svg", timeout_seconds=20).status == 200


@pytest.mark.parametrize("order", ["key", "-key", "value", "-value"])
def test_lists_have_the_others(service: Service, order: str) -> None:
    listed = service.request("GET", f"/numbers?order={order}&limit=1").json()
    found = listed["numbers"]
    while listed["next"]:
        listed = service.request("GET", listed["next"]).json()
        found += listed["numbers"]
    assert {each["key"]: each["value"] for each in found} == TOTALS
    assert len(found) == len(TOTALS)


@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_an_export_says_that_it_would_not_be_whole(service: Service, format_: str) -> None:
    reply = service.request("GET", f"/numbers.{format_}")
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert "no total" in reply.json()["error"]
    assert "a row is no total" in service.log()
