"""Lists of totals: each key is given once, in order, while others change."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.testbed.postgresql import new_database
from tests.testbed.replies import Reply
from tests.testbed.requests import JSON
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for

ORDERS = ("key", "-key", "value", "-value")
PREFIXES = ("", "a", "ab", "\ud7ff", "\U0010ffff", "%", "_", "A", "nothing")
KEPT = 10_000
"""How many totals the orders by value reach."""


@pytest.fixture(params=["sqlite", "postgresql"])
def any_service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """A service with two workers, on each of the databases."""
    settings = {}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = new_database(request.getfixturevalue("postgresql"))
    service = Service(tmp_path, **settings)
    service.manage("migrate", "-v0")
    with service:
        yield service
    print(service.log())


def count(service: Service, increments: dict[str, int]) -> None:
    body = json.dumps([{"key": key, "value": value} for key, value in increments.items()])
    assert service.post(body, JSON).status == 200


def page(service: Service, address: str) -> Any:
    reply = service.request("GET", address)
    assert reply.status == 200, reply
    found = reply.json()
    link = f'<{found["next"]}>; rel="next"' if found["next"] else None
    assert reply.headers.get("link") == link
    return found


def pages(service: Service, **query: str | int) -> Iterator[Any]:
    """Yield the pages of a list, from the first to the last."""
    address: str | None = f"/numbers?{urlencode(query)}"
    while address:
        found = page(service, address)
        yield found
        address = found["next"]


def pairs(found: Any) -> list[tuple[str, int]]:
    return [(pair["key"], pair["value"]) for pair in found["numbers"]]


def expected(totals: dict[str, int], order: str, prefix: str) -> list[tuple[str, int]]:
    """Return the obvious answer."""
    found = sorted(pair for pair in totals.items() if pair[0].startswith(prefix))
    if order == "-key":
        found.reverse()
    elif order.endswith("value"):
        sign = -1 if order.startswith("-") else 1
        found.sort(key=lambda pair: sign * pair[1])
    return found


def some_totals(seed: int) -> dict[str, int]:
    chance = random.Random(seed)
    letters = ["a", "b", "A", "%", "_", "\x01", " ", "é", "\ud7ff", "\ue000", "🦊", "\U0010ffff"]
    keys = {"".join(chance.choices(letters, k=chance.randint(1, 4))) for _ in range(400)}
    values = [-(2**63), -1, 0, 1, 2, 2**63 - 1]  # few, so that many are equal
    return {key: chance.choice(values) for key in sorted(keys)}


def test_the_pages_of_every_list_are_the_sorted_table(any_service: Service) -> None:
    totals = some_totals(seed=11)
    count(any_service, totals)
    any_service.wait_for_totals(totals)
    for order in ORDERS:
        for prefix in PREFIXES:
            for limit in (1, 100, 1000) if prefix == "ab" else (29,):
                given = list(pages(any_service, order=order, prefix=prefix, limit=limit))
                assert all(len(found["numbers"]) == limit for found in given[:-1])
                listed = [pair for found in given for pair in pairs(found)]
                assert listed == expected(totals, order, prefix), (order, prefix, limit)


def test_a_key_that_does_not_change_is_given_once_while_others_do(any_service: Service) -> None:
    still = {f"still {n:03}": n * 7 % 50 for n in range(300)}
    count(any_service, still)
    any_service.wait_for_totals(still)
    chance = random.Random(7)
    over = Event()

    def change() -> None:
        while not over.is_set():
            keys = [f"still {chance.randrange(300):03} changes" for _ in range(20)]
            count(any_service, {key: chance.randint(-60, 60) for key in keys})

    changing = Thread(target=change)
    changing.start()
    try:
        wait_for(lambda: len(any_service.totals()) > len(still), "other totals")
        for order in ORDERS:
            listed = [
                pair
                for found in pages(any_service, order=order, prefix="still", limit=10)
                for pair in pairs(found)
                if pair[0] in still
            ]
            assert listed == expected(still, order, ""), order
    finally:
        over.set()
        changing.join()


def test_a_page_has_100_totals_where_nothing_is_said(service: Service) -> None:
    totals = {f"{n:03}": n for n in range(101)}
    count(service, totals)
    service.wait_for_totals(totals)
    first, last = pages(service)
    assert pairs(first) == list(totals.items())[:100]
    assert pairs(last) == [("100", 100)]
    assert set(first) == {"numbers", "next"}


def test_lists_by_value_end_with_the_first_10_000_and_say_so(service: Service) -> None:
    with closing(sqlite3.connect(service.database, timeout=30)) as database:
        database.executemany(
            "INSERT INTO numbers VALUES (?, ?)", ((f"{n:05}", n) for n in range(KEPT + 1))
        )
        database.commit()
    for order, first in (("value", 0), ("-value", KEPT)):
        given = list(pages(service, order=order, limit=1000))
        values = [value for found in given for _, value in pairs(found)]
        step = 1 if order == "value" else -1
        assert values == list(range(first, first + step * KEPT, step))
        assert all(found["is_cut"] for found in given)
        (whole,) = pages(service, order=order, prefix="0000")
        assert not whole["is_cut"]
        assert len(whole["numbers"]) == 10


def test_a_list_by_value_says_how_old_it_is_and_is_made_anew(start_service: Any) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    count(service, {"a": 1})
    service.wait_for_totals({"a": 1})

    def listed() -> Any:
        return page(service, "/numbers?order=-value")

    assert pairs(listed()) == [("a", 1)]
    count(service, {"b": 2})
    service.wait_for_totals({"a": 1, "b": 2})
    old = listed()
    assert pairs(old) == [("a", 1)]
    assert 0 < old["age_seconds"] < 60
    wait_for(lambda: pairs(listed()) == [("b", 2), ("a", 1)], "a new list")


def test_a_list_that_nobody_has_asked_for_is_not_given_as_it_was_then(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL="0.1") as service:
        count(service, {"a": 1})
        service.wait_for_totals({"a": 1})
        assert pairs(page(service, "/numbers?order=-value")) == [("a", 1)]
        count(service, {"b": 2})
        service.wait_for_totals({"a": 1, "b": 2})
        time.sleep(10.5)  # seconds: twice as old as a list may become that is asked for
        assert pairs(page(service, "/numbers?order=-value")) == [("b", 2), ("a", 1)]


def test_who_asks_for_many_lists_does_not_push_out_the_one_of_all(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL="0.1") as service:
        totals = {f"{number} key": number for number in range(30)}
        count(service, totals)
        service.wait_for_totals(totals)
        first = page(service, "/numbers?order=-value")
        for number in range(20):
            page(service, f"/numbers?order=-value&prefix={number}")
        again = page(service, "/numbers?order=-value")
        assert again["age_seconds"] > 0, "it was kept"
        assert pairs(again) == pairs(first)


def cursor(*parts: Any) -> str:
    return urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "field", "limit"),
    [
        ("order=value2", "order", None),
        ("order=", "order", None),
        ("order=key&order=key", "order", 1),
        ("limit=0", "limit", 1),
        ("limit=1001", "limit", 1000),
        ("limit=99999999999999999999", "limit", 1000),
        ("limit=-1", "limit", None),
        ("limit=", "limit", None),
        ("limit=%D9%A1", "limit", None),
        ("limit=1&limit=1", "limit", 1),
        ("prefix=a&prefix=b", "prefix", 1),
        ("prefix=a%00", "prefix", None),
        (f"prefix={'a' * 256}", "prefix", 255),
        ("prefix=%ff", "query", None),
        ("prefix=%ED%A0%80", "query", None),
        ("offset=3", "offset", None),
        ("cursor=", "cursor", None),
        ("cursor=a", "cursor", None),
        ("cursor=%F0%9F%A6%8A", "cursor", None),
        (f"cursor={cursor('key', 0, 'a', 1)}&cursor={cursor('key', 0, 'a', 1)}", "cursor", 1),
        (f"cursor={cursor('-key', 0, 'a', 1)}", "cursor", None),
        (f"prefix=b&cursor={cursor('key', 1, 'a', 1)}", "cursor", None),
        (f"prefix=a&cursor={cursor('key', 2, 'ab', 1)}", "cursor", None),
        (f"cursor={cursor('key', 0, chr(0), 1)}", "cursor", None),
        (f"cursor={cursor('key', 0, chr(0xD800), 1)}", "cursor", None),
        (f"cursor={cursor('key', 0, 'a', 1.5)}", "cursor", None),
        (f"cursor={cursor('key', 0, 'a')}", "cursor", None),
        (f"cursor={cursor('key', -1, 'a', 1)}", "cursor", None),
        (f"cursor={cursor('key', 10**30, 'a', 1)}", "cursor", None),
    ],
)
def test_what_is_wrong_is_named(
    shared_service: Service, query: str, field: str, limit: int | None
) -> None:
    reply = shared_service.request("GET", f"/numbers?{query}")
    assert reply.status == 400, reply
    assert reply.json()["field"] == field
    assert reply.json().get("limit") == limit


def test_the_longest_prefix_of_the_widest_characters_leads_on(shared_service: Service) -> None:
    prefix = "🦊" * 254
    totals = {f"{prefix}{letter}": 1 for letter in "abc"}
    count(shared_service, totals)
    address = f"/numbers?prefix={quote(prefix)}&limit=1"

    def listed() -> Reply:
        return shared_service.request("GET", address)

    wait_for(lambda: listed().json()["numbers"], "the flush")
    given = list(pages(shared_service, prefix=prefix, limit=1))
    assert [pair for found in given for pair in pairs(found)] == list(totals.items())
