"""flushnumbers and resetnumbers: while a service runs, and after it was killed."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tests.testbed.commands import MANAGE, running
from tests.testbed.databases import locked
from tests.testbed.load import Load
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for


def test_flushnumbers_flushes_living_and_dead_workers(
    start_service: StartService,
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("dead", 1)
    service.kill()
    service.start()
    service.increment("living", 2)
    assert service.manage("flushnumbers").startswith("Flushed ")
    assert service.totals() == {"dead": 1, "living": 2}
    assert service.manage("flushnumbers").startswith("Flushed 0 increments from 0 journals")
    service.increment("living", 3)
    service.stop()
    assert service.totals() == {"dead": 1, "living": 5}


def test_flushnumbers_under_load_is_exact(service: Service) -> None:
    with Load(service) as load:
        for _ in range(2):
            load.wait_for_more(5_000)
            acknowledged = load.so_far
            service.manage("flushnumbers")
            assert sum(service.totals().values()) >= acknowledged
    service.stop()
    assert service.totals() == load.acknowledged


def test_flushnumbers_names_a_file_that_it_cannot_read_and_goes_on(
    start_service: StartService,
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("a")
    alien = service.journal_dir / "0.journal"
    alien.write_bytes(b"something else")
    said = service.manage("flushnumbers", code=1)
    assert str(alien) in said
    assert service.totals() == {"a": 1}
    assert alien.read_bytes() == b"something else"


def test_resetnumbers_deletes_only_what_came_before_it(
    start_service: StartService,
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("flushed", 1)
    service.manage("flushnumbers")
    service.increment("pending", 2)
    assert service.manage("resetnumbers", "--noinput").startswith("Deleted 1 totals")
    assert service.totals() == {}
    service.increment("pending", 3)
    service.stop()
    assert service.totals() == {"pending": 3}


def test_resetnumbers_under_load_is_exact(service: Service) -> None:
    """Increments before, during and after a reset have different keys."""
    for round_ in range(2):
        with Load(service, prefix=f"before {round_}") as before:
            before.wait_for_more(3_000)
        with Load(service, prefix="meanwhile") as meanwhile:
            service.manage("resetnumbers", "--noinput")
            meanwhile.wait_for_more(3_000)
            with Load(service, prefix=f"after {round_}") as after:
                after.wait_for_more(3_000)
        service.manage("flushnumbers")
        totals = Counter(service.totals())
        assert not [key for key in totals if key.startswith("before")]
        assert {key: totals[key] for key in after.acknowledged} == after.acknowledged
        for key, acknowledged in meanwhile.acknowledged.items():
            assert totals[key] <= acknowledged
        service.manage("resetnumbers", "--noinput")


def test_resetnumbers_asks_first(start_service: StartService) -> None:
    service = start_service()
    service.increment("a")
    service.wait_for_totals({"a": 1})
    said = service.manage("resetnumbers", stdin="no\n", code=1)
    assert str(service.database) in said
    assert "nothing was deleted" in said
    assert service.totals() == {"a": 1}
    assert "nothing was deleted" in service.manage("resetnumbers", stdin="", code=1)
    service.manage("resetnumbers", stdin="yes\n")
    assert service.totals() == {}


@pytest.mark.parametrize("command", [("flushnumbers",), ("resetnumbers", "--noinput")])
def test_command_says_that_the_database_failed(tmp_path: Path, command: tuple[str, ...]) -> None:
    service = Service(tmp_path, DATABASE_URL=f"sqlite:///{tmp_path}/never-migrated.db")
    (tmp_path / "never-migrated.db").touch()
    service.journal_dir.mkdir()
    (service.journal_dir / f"{uuid4().hex}.journal").write_bytes(b"")
    said = service.manage(*command, code=1)
    assert "If it is new: python manage.py migrate." in said
    assert "Traceback" not in said


def test_flushes_and_resets_at_once_under_load_succeed(service: Service) -> None:
    with Load(service) as load, ThreadPoolExecutor() as pool:
        commands = [("flushnumbers",), ("resetnumbers", "--noinput")] * 3
        list(pool.map(lambda command: service.manage(*command), commands))
    service.manage("resetnumbers", "--noinput")
    assert service.totals() == {}
    service.increment("a", 7)
    service.stop()
    assert service.totals() == {"a": 7}
    assert not load.unanswered


def test_flushnumbers_every_goes_on_until_it_is_told_to_end(start_service: StartService) -> None:
    """A machine whose workers are gone: the command alone brings in and removes what they left."""
    service = start_service(FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    service.increment("dead", 1)
    service.kill()
    flushing = [*MANAGE, "flushnumbers", "--every", "0.1"]
    with running(flushing, service.environment) as process:
        service.wait_for_totals({"dead": 1})
        wait_for(lambda: not list(service.journal_dir.iterdir()), "the journal to be removed")
        service.start()
        service.increment("living", 2)
        service.wait_for_totals({"dead": 1, "living": 2})
        with locked(service.database):
            service.increment("living", 3)
        service.wait_for_totals({"dead": 1, "living": 5})
        process.terminate()
        assert process.wait(30) == 0
    service.stop()
    assert service.totals() == {"dead": 1, "living": 5}


def test_flushnumbers_every_flushes_once_more_when_it_is_told_to_end(
    start_service: StartService,
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("before")
    service.manage("flushnumbers")  # by now the workers have made their first flush, too
    service.increment("first")
    with running([*MANAGE, "flushnumbers", "--every", NEVER], service.environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("Flushed 1 increments from 1 journals")
        service.increment("last")
        process.terminate()
        assert process.wait(30) == 0
    assert service.totals() == {"before": 1, "first": 1, "last": 1}


@pytest.mark.parametrize("seconds", ["0", "nan", "inf", "1e300", "86401"])
def test_flushnumbers_every_refuses_what_is_no_pause(tmp_path: Path, seconds: str) -> None:
    said = Service(tmp_path).manage("flushnumbers", "--every", seconds, code=1)
    assert "more than 0 seconds, and a day" in said
    assert "Traceback" not in said
