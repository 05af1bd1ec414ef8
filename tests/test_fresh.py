"""Fresh totals: with all that this machine had acknowledged when they were asked for."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.commands import PLAIN_ASGI, WSGI
from tests.testbed.load import Load
from tests.testbed.postgresql import new_database
from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, Service, StartService

PREFER = {"Prefer": "return=representation"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Three workers that would not flush by themselves."""
    folder = tmp_path_factory.mktemp("fresh")
    settings = {"FLUSH_INTERVAL": NEVER, "WEB_CONCURRENCY": "3"}
    if request.param == "postgresql":
        settings["DATABASE_URL"] = new_database(request.getfixturevalue("postgresql"))
    service = Service(folder, **settings)
    service.manage("migrate", "-v0")
    with service:
        yield service


def fresh(service: Service, key: str) -> int | None:
    reply = service.request("GET", f"/numbers?key={key}&fresh=1")
    assert reply.status == 200, reply
    value: int | None = reply.json()["numbers"][0]["value"]
    return value


def test_every_acknowledged_increment_is_in_it(service: Service) -> None:
    assert fresh(service, "never") is None
    for number in range(1, 51):  # on a new connection each, so to any worker
        service.increment("one", 1)
        assert fresh(service, "one") == number
    assert len(service.journal_owners()) > 1


def test_it_holds_under_load(service: Service) -> None:
    with Load(service, prefix="load") as load:
        for _ in range(20):
            least = load.so_far
            keys = "&".join(f"key=load+{number}" for number in range(20))
            found = service.request("GET", f"/numbers?{keys}&fresh=1").json()["numbers"]
            assert sum(each["value"] or 0 for each in found) >= least
    service.manage("flushnumbers")
    load.check(service.totals())


def test_a_worker_that_is_stopped_or_killed_is_not_left_out(service: Service) -> None:
    for _ in range(30):
        service.increment("halted", 1)
    owners = service.journal_owners()
    os.kill(owners[0], signal.SIGSTOP)
    try:
        assert fresh_from_others(service, "halted") == 30
    finally:
        os.kill(owners[0], signal.SIGCONT)
    for _ in range(30):
        service.increment("halted", 1)
    os.kill(owners[-1], signal.SIGKILL)
    service.ensure_running()
    assert fresh(service, "halted") == 60
    service.manage("flushnumbers")
    assert service.totals()["halted"] == 60


def fresh_from_others(service: Service, key: str) -> int | None:
    """Ask until a worker answers that is not stopped."""
    while True:
        try:
            reply = service.request("GET", f"/numbers/{key}?fresh=1", timeout_seconds=5)
        except TimeoutError:
            continue
        value: int | None = reply.json()["value"]
        return value


def test_what_another_program_counts_is_in_it(service: Service) -> None:
    count = "import counters, os; counters.increment('program', 7); print('ok', flush=True)"
    assert "ok" in service.manage("shell", "-c", f"{count}; os._exit(0)")
    assert fresh(service, "program") == 7


def test_an_increment_is_answered_with_its_new_total(service: Service) -> None:
    for number in range(1, 6):
        reply = service.post("key=told&value=2", **PREFER)
        assert (reply.status, reply.json()) == (200, {"key": "told", "value": 2 * number})
        assert reply.headers.get("preference-applied") == "return=representation"
    batch = [{"key": key, "value": 3} for key in ("told", "other", "told")]
    reply = service.post(json.dumps(batch), JSON, **PREFER)
    assert reply.json() == [
        {"key": "told", "value": 16},
        {"key": "other", "value": 3},
        {"key": "told", "value": 16},
    ]


@pytest.mark.parametrize(
    "prefer", ["return=minimal", "respond-async", "returns=representation", ""]
)
def test_other_preferences_change_nothing(service: Service, prefer: str) -> None:
    reply = service.post("key=plain&value=1", Prefer=prefer)
    assert (reply.status, reply.json()) == (200, {"ok": True})
    assert reply.headers.get("preference-applied") is None


@pytest.mark.parametrize(
    "prefer",
    ['return="representation"', "Return = Representation", "wait=5, return=representation"],
)
def test_the_preference_may_be_spelled_otherwise(service: Service, prefer: str) -> None:
    reply = service.post("key=spelled&value=1", Prefer=prefer)
    assert reply.json()["key"] == "spelled"


@pytest.mark.parametrize("command", [PLAIN_ASGI, WSGI], ids=["event loop", "Django"])
def test_it_is_the_same_outside_the_lane(
    start_service: StartService, command: tuple[str, ...]
) -> None:
    service = start_service(command=command, JOURNAL_FSYNC="always")
    for number in range(1, 11):
        service.increment("one", 1)
        assert fresh(service, "one") == 2 * number - 1
        assert service.post("key=one&value=1", **PREFER).json()["value"] == 2 * number


def test_an_increment_counts_even_if_its_total_cannot_be_told(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER) as service:
        away = service.database.rename(tmp_path / "away.db")
        service.database.mkdir()
        reply = service.post("key=a&value=1", **PREFER)
        assert (reply.status, reply.json()) == (200, {"ok": True})
        assert reply.headers.get("preference-applied") is None
        service.database.rmdir()
        away.rename(service.database)
        assert fresh(service, "a") == 1


def test_bells_of_processes_that_are_gone_do_not_pile_up(tmp_path: Path) -> None:
    with Service(
        tmp_path, WEB_CONCURRENCY="2", FLUSH_INTERVAL=NEVER, TMPDIR=str(tmp_path)
    ) as service:
        for _ in range(3):
            for pid in service.workers():
                os.kill(pid, signal.SIGKILL)
            service.ensure_running()
        service.wait_until(lambda: len(list(tmp_path.rglob("*.bell"))) == 2, "both bells")
        service.increment("a", 1)
        assert fresh(service, "a") == 1
        service.stop()
    assert not list(tmp_path.rglob("*.bell"))


def test_without_a_place_for_bells_it_takes_a_little_longer(tmp_path: Path) -> None:
    (tmp_path / f"counters-{os.geteuid()}").write_text("in the way")
    with Service(tmp_path, FLUSH_INTERVAL=NEVER, TMPDIR=str(tmp_path)) as service:
        for number in range(1, 4):
            service.increment("a", 1)
            assert fresh(service, "a") == number
