"""Files that are removed, replaced, cloned or brought back under a living service."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.testbed.databases import copy
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for


def journals(service: Service) -> list[Path]:
    return sorted(service.journal_dir.glob("*.journal"))


@pytest.mark.parametrize("fsync", ["everysec", "always"])
@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_journal_that_is_removed_is_put_back_and_outlives_its_process(
    start_service: StartService, what: str, fsync: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER, JOURNAL_FSYNC=fsync)
    service.increment("before", 100)
    if what == "file":
        journals(service)[0].unlink()
    else:
        shutil.rmtree(service.journal_dir)
    service.increment("after")
    if fsync != "always":  # there the reply has waited for it
        service.wait_for_log("It is back")
    service.kill()
    service.manage("flushnumbers")
    assert service.totals() == {"before": 100, "after": 1}
    assert service.log().count("while it was in use. It is back") <= 1


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_journal_that_is_emptied_keeps_what_comes_after(
    start_service: StartService, fsync: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER, JOURNAL_FSYNC=fsync)
    service.increment("before", 100)
    service.manage("flushnumbers")
    os.truncate(journals(service)[0], 0)
    service.increment("after")
    if fsync != "always":  # there the reply has waited for it
        service.wait_for_log("was emptied or cut")
    service.kill()
    service.manage("flushnumbers")
    assert service.totals() == {"before": 100, "after": 1}


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_a_file_in_the_place_of_the_folder_stops_counting_until_it_is_gone(
    start_service: StartService, fsync: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1", JOURNAL_FSYNC=fsync)
    service.increment("before", 100)
    shutil.rmtree(service.journal_dir)
    service.journal_dir.write_text("in the way")
    wait_for(lambda: service.post("key=refused&value=1").status == 503, "503", service.log)
    assert service.request("GET", "/readyz").json()["why"] == "journal"
    service.journal_dir.unlink()
    wait_for(lambda: service.request("GET", "/readyz").status == 200, "readiness", service.log)
    service.increment("after")
    service.stop()
    totals = service.totals()
    assert (totals["before"], totals["after"]) == (100, 1)
    assert "Traceback" not in service.log()


def test_starting_afresh_under_a_living_service_loses_nothing(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.increment("a", 100)
    shutil.rmtree(service.journal_dir)
    for path in service.folder.glob("numbers.db*"):
        path.unlink()
    service.manage("migrate", "-v0")
    service.stop()
    assert service.totals() == {"a": 100}


def test_a_worker_without_increments_brings_a_replaced_database_up_to_date(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.increment("a", 1)
    service.wait_for_totals({"a": 1})
    older = copy(service.database, service.folder / "older.db")
    service.increment("a", 2)
    service.wait_for_totals({"a": 3})
    for path in service.folder.glob("numbers.db*"):
        path.unlink()
    older.rename(service.database)
    service.wait_for_totals({"a": 3})


def test_a_journal_that_comes_back_counts_once(start_service: StartService) -> None:
    """A disk that was cloned after a crash, or a backup of the folder."""
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("a", 110)
    service.kill()
    backup = service.folder / "backup"
    shutil.copytree(service.journal_dir, backup)
    for _ in range(3):
        service.start()
        service.wait_for_totals({"a": 110})
        wait_for(lambda: not journals(service), "the journal to be retired", service.log)
        service.stop()
        shutil.copytree(backup, service.journal_dir, dirs_exist_ok=True)
    service.manage("flushnumbers")
    assert service.totals() == {"a": 110}


def test_a_copy_of_a_living_process_s_journal_counts_once(
    start_service: StartService, tmp_path: Path
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    service.increment("a", 1000)
    clone = Service(tmp_path / "clone", DATABASE_URL=service.environment["DATABASE_URL"])
    shutil.copytree(service.journal_dir, clone.journal_dir)
    with clone:
        service.wait_for_totals({"a": 1000})
        wait_for(lambda: not journals(clone), "the copy to be retired", clone.log)
        service.increment("a", 1)
    service.stop()
    assert service.totals() == {"a": 1001}
