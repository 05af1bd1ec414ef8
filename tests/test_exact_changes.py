"""Totals that are set, deleted, reset and imported while clients count: exact to the increment.

What was acknowledged before a change began must be gone with it, what was sent after it had
returned must be on top, and only what was under way meanwhile may be either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from urllib.parse import quote, quote_plus

import pytest

from tests.testbed.postgresql import new_database
from tests.testbed.requests import JSON
from tests.testbed.series import Series
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for

ADMIN = {"Authorization": "Bearer for-tests"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Two workers."""
    folder = tmp_path_factory.mktemp("exact")
    settings = {"ADMIN_TOKEN": "for-tests"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = new_database(request.getfixturevalue("postgresql"))
    service = Service(folder, **settings)
    service.manage("migrate", "-v0")
    with service:
        yield service
        print(service.log())


def fresh(service: Service, key: str) -> int:
    reply = service.request("GET", f"/numbers?key={quote_plus(key)}&fresh=1")
    assert reply.status == 200, reply
    return reply.json()["numbers"][0]["value"] or 0


def put(service: Service, key: str, value: int) -> None:
    headers = {**ADMIN, "Content-Type": JSON}
    reply = service.request(
        "PUT", f"/numbers/{quote(key, safe='')}", f'{{"value":{value}}}', headers
    )
    assert (reply.status, reply.json()) == (200, {"key": key, "value": value})


def delete(service: Service, key: str, _: int) -> None:
    reply = service.request("DELETE", f"/numbers/{quote(key, safe='')}", headers=ADMIN)
    assert reply.status == 204, reply


def reset_key(service: Service, key: str, _: int) -> None:
    assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "--", key, "never")


def reset_prefix(service: Service, key: str, _: int) -> None:
    assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "--prefix", key[:-1])


def replace(service: Service, key: str, value: int) -> None:
    csv = f'key,value\r\n"{key}",{value}\r\n'
    assert "Imported 1 rows" in service.manage("importnumbers", "-", "--replace", stdin=csv)


CHANGES: dict[str, tuple[Callable[[Service, str, int], None], int]] = {
    "put": (put, 40),
    "deleted": (delete, 40),
    "reset by name": (reset_key, 4),
    "prefix of these": (reset_prefix, 4),
    "replaced": (replace, 4),
}
"""The key that is changed, how, and how often."""
SETS = (put, replace)


def change_again_and_again(service: Service, series: Series, key: str) -> int:
    """Change a key and check each time what is in it; return how many increments were checked."""
    change, times = CHANGES[key]
    checked = 0
    for round_ in range(times):
        value = 1_000_000 * round_ if change in SETS else 0
        goal = series.acknowledged(key) + 20
        wait_for(lambda goal=goal: series.acknowledged(key) >= goal, "increments")  # type: ignore[misc]
        before = series.acknowledged(key)
        change(service, key, value)
        after = series.sent(key)
        goal = after + 20
        wait_for(lambda goal=goal: series.acknowledged(key) >= goal, "increments")  # type: ignore[misc]
        least = value + series.acknowledged(key) - after
        total = fresh(service, key)
        most = value + series.sent(key) - before
        assert least <= total <= most, (key, round_)
        checked += series.acknowledged(key) - before
    return checked


def test_what_came_before_is_replaced_and_what_comes_after_is_on_top(service: Service) -> None:
    added, stop = 0, Event()

    def add_again_and_again() -> int:
        added = 0
        while not stop.is_set():
            csv = "key,value\r\nadded to,1000\r\nadded to,-1\r\nnew,1\r\n"
            assert "Imported 3 rows" in service.manage("importnumbers", "-", stdin=csv)
            added += 1
        return added

    with (
        Series(service, [*CHANGES, "added to", "untouched"]) as series,
        ThreadPoolExecutor(len(CHANGES) + 1) as pool,
    ):
        adding = pool.submit(add_again_and_again)
        try:
            changing = [
                pool.submit(change_again_and_again, service, series, key) for key in CHANGES
            ]
            for each in changing:
                assert each.result() > 100
        finally:
            stop.set()
        added = adding.result()
    assert added > 0
    assert fresh(service, "new") == added
    assert fresh(service, "added to") == series.acknowledged("added to") + 999 * added
    assert fresh(service, "untouched") == series.acknowledged("untouched")
    for key in CHANGES:
        assert series.sent(key) == series.acknowledged(key)
        put(service, key, 7)
        service.increment(key, -3)
        assert fresh(service, key) == 4


def test_nothing_of_the_load_counts_again_after_a_kill(service: Service) -> None:
    with Series(service, ["killed", "kept"]) as series:
        wait_for(lambda: series.acknowledged("killed") > 100, "increments")
        before = series.acknowledged("killed")
        put(service, "killed", 5)
        after = series.sent("killed")
    total = fresh(service, "killed")
    counted = series.acknowledged("killed")
    assert 5 + counted - after <= total <= 5 + counted - before
    service.kill()
    service.manage("flushnumbers")
    service.start()
    assert fresh(service, "killed") == total
    assert fresh(service, "kept") == series.acknowledged("kept")
