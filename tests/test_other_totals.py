"""Journals name the totals that they are for: they are counted there, and nowhere else."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from tests.testbed.databases import locked
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for


def journals(service: Service) -> list[Path]:
    return sorted(service.journal_dir.glob("*.journal"))


def other_totals(service: Service) -> Service:
    """Return a service on the same folder of journals, with another database."""
    folder = service.folder / "other"
    other = Service(folder, JOURNAL_DIR=str(service.journal_dir))
    with closing(sqlite3.connect(other.database)) as database:
        database.execute("UPDATE numbers_identity SET id = ?", (uuid4().hex,))
        database.commit()
    return other


def leave_unflushed(service: Service) -> None:
    """Have the service be killed, with 110 for the key "a" in its journal alone."""
    service.increment("flushed")
    service.wait_for_totals({"flushed": 1})
    with locked(service.database):
        service.increment("a", 110)
        service.kill()


def test_a_journal_is_not_counted_into_another_database(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    leave_unflushed(service)
    other = other_totals(service)
    with other:
        other.wait_for_log("is for the totals of another database")
        other.increment("b", 1)
        other.wait_for_totals({"b": 1})
        assert "1 files" in other.manage("flushnumbers", code=1)
        other.manage("resetnumbers", "--noinput")
        other.stop()
    assert other.totals() == {}
    service.manage("flushnumbers")
    assert service.totals() == {"flushed": 1, "a": 110}


@pytest.mark.parametrize(
    "change", [("resetnumbers", "--noinput"), ("resetnumbers", "--noinput", "a")]
)
def test_a_reset_of_other_totals_beside_a_living_process_takes_nothing_from_it(
    start_service: StartService, change: tuple[str, ...]
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.increment("a", 110)
    other = other_totals(service)
    assert "other machines" not in other.manage(*change)
    service.kill()
    with other:
        other.wait_for_log("is for the totals of another database")
        other.stop()
    assert other.totals() == {}
    assert "other machines" not in other.manage(*change)
    service.manage("flushnumbers")
    assert service.totals() == {"a": 110}


def test_a_journal_of_a_lost_database_can_be_adopted(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    leave_unflushed(service)
    other = other_totals(service)
    assert "another database" in other.manage("flushnumbers", code=1)
    assert other.totals() == {}
    other.manage("flushnumbers", "--adopt")  # no position is known there: all that it holds counts
    assert other.totals() == {"flushed": 1, "a": 110}
    assert journals(other) == []
    other.manage("flushnumbers")
    other.manage("flushnumbers", "--adopt")
    assert "other machines" not in other.manage("resetnumbers", "--noinput")


def test_a_journal_that_comes_back_after_it_was_adopted_is_counted_already(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    leave_unflushed(service)
    (journal,) = journals(service)
    kept = journal.read_bytes()
    other = other_totals(service)
    for options in ((), ("--adopt",), ("--every", "0.1")):
        other.manage("flushnumbers", "--adopt")
        journal.write_bytes(kept)
        if options == ("--every", "0.1"):
            with other:  # as a worker does
                wait_for(lambda: not journal.exists(), "the journal to go", other.log)
        else:
            other.manage("flushnumbers", *options)
    assert other.totals() == {"flushed": 1, "a": 110}
    assert journals(other) == []


def test_the_journal_of_a_living_process_is_not_adopted(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.increment("a", 110)
    other = other_totals(service)
    assert "in use" in other.manage("flushnumbers", "--adopt", code=1)
    assert other.totals() == {}
    service.stop()
    assert service.totals() == {"a": 110}


def test_before_its_process_has_reached_the_database_a_journal_names_its_place(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.stop()
    with closing(sqlite3.connect(service.database)) as database:
        database.execute("PRAGMA journal_mode=DELETE")  # so that nobody can read it while locked
    with locked(service.database):
        with service:
            service.wait_for_log("The flush failed")
            service.increment("a", 110)
            service.kill()
        other = other_totals(service)
        assert "another database" in other.manage("flushnumbers", code=1)
        with other:
            other.wait_for_log("is for the totals of another database")
            other.stop()
    assert other.totals() == {}
    service.manage("flushnumbers")
    assert service.totals() == {"a": 110}


def test_totals_that_are_moved_with_their_positions_have_their_journals_counted(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    leave_unflushed(service)
    dump = service.folder / "dump.json"
    service.manage("dumpdata", "counters", "--output", str(dump))
    for name in ("1", "2", "3"):  # the ids of new totals are random: some come first, some last
        new = Service(service.folder / name)
        new.manage("loaddata", str(dump))
        new.journal_dir.mkdir(exist_ok=True)
        for journal in journals(service):
            (new.journal_dir / journal.name).write_bytes(journal.read_bytes())
        new.manage("flushnumbers")
        assert new.totals() == {"flushed": 1, "a": 110}


def test_emptied_tables_get_a_new_id(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.increment("a")
    service.wait_for_totals({"a": 1})
    service.stop()
    service.manage("flush", "--noinput")
    with service:
        service.increment("b")
        service.wait_for_totals({"b": 1})
        with locked(service.database):
            service.increment("b", 110)
            service.kill()
    with other_totals(service) as other:
        other.wait_for_log("is for the totals of another database")
    service.manage("flushnumbers")
    assert service.totals() == {"b": 111}


def test_a_living_process_counts_into_the_database_that_took_the_old_one_s_place(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.increment("a", 1)
    service.wait_for_totals({"a": 1})
    (old,) = journals(service)
    other = other_totals(service)
    for path in service.folder.glob("numbers.db*"):
        path.unlink()
    other.database.rename(service.database)
    service.wait_for_totals({"a": 1})
    wait_for(lambda: not old.exists(), "a journal of the new totals", service.log)
    service.increment("a", 2)
    service.kill()
    service.manage("flushnumbers")
    assert service.totals() == {"a": 3}


def test_a_reset_reaches_living_processes_that_have_not_seen_the_new_database_yet(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.increment("a", 1)
    other = other_totals(service)
    for path in service.folder.glob("numbers.db*"):
        path.unlink()
    other.database.rename(service.database)
    assert "other machines" not in service.manage("resetnumbers", "--noinput")
    service.increment("a", 2)
    service.stop()
    assert service.totals() == {"a": 2}
