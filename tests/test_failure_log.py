"""A flush that fails is logged when it begins to, when its cause is new, and when it is over."""

from __future__ import annotations

from tests.testbed.service import StartService


def test_each_cause_of_failing_flushes_is_logged_once(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL="0.1")
    service.increment("a")
    service.wait_for_totals({"a": 1})
    kept = service.folder / "kept.db"
    for path in service.folder.glob("numbers.db-*"):
        path.unlink()
    service.database.rename(kept)
    service.wait_for_log("no such file")
    service.increment("a")
    service.database.write_text("this is no database" * 100)
    service.wait_for_log("not a database")
    service.database.unlink()
    kept.rename(service.database)
    service.wait_for_log("The flush succeeds again")
    service.wait_for_totals({"a": 2})
    assert service.log().count("The flush failed") == 2


def test_a_process_that_ends_with_increments_not_flushed_says_where_they_are(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    kept = service.folder / "kept.db"
    service.increment("a")
    service.wait_for_totals({"a": 1})
    for path in service.folder.glob("numbers.db-*"):
        path.unlink()
    service.database.rename(kept)
    service.increment("b")
    service.increment("c")
    service.stop()
    assert "increments of 2 keys not flushed" in service.log()
    kept.rename(service.database)
    service.manage("flushnumbers")
    assert service.totals() == {"a": 1, "b": 1, "c": 1}
