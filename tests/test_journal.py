"""Journals as a crash, a bad disk or another version leaves them."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from zlib import crc32

import pytest

from counters.journal import HEADER, MAGIC, record_of_batch, record_of_increments
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for


def _record(payload: bytes) -> bytes:
    return pack("<II", len(payload), crc32(payload)) + payload


GOOD = b"".join(
    [
        HEADER,
        record_of_increments([("a", 3)]),
        record_of_batch(b'[{"key":"a","value":4}]'),
        record_of_increments([("a", 5), ("a", -5)]),
    ]
)


def recovered(service: Service) -> bool:
    return not list(service.journal_dir.glob("*.journal"))


@pytest.fixture
def stopped(tmp_path: Path) -> Service:
    """A service that does not run yet."""
    service = Service(tmp_path)
    service.journal_dir.mkdir()
    return service


@pytest.mark.parametrize(
    "tail",
    [
        record_of_increments([("b", 1)])[:-1],
        record_of_increments([("b", 1)])[:5],
        record_of_increments([("b", 1)])[:-1] + b"?",
        b"\0" * 4096,
        b"\xff" * 100,
        _record(b"Ishort"),
        _record(b"I" + pack("<qH", 1, 1) + b"\xff"),
        _record(b"Bnonsense"),
        _record(b"Xkind"),
        record_of_increments([("a", 1), ("b", 1)])[:-1],
        _record(record_of_increments([("a", 1), ("b", 1)])[8:-1]),
    ],
    ids=[
        *("torn", "torn head", "flipped", "zeros", "ones", "short", "no UTF-8", "no JSON", "kind"),
        *("torn group", "short group"),
    ],
)
def test_bad_tail_is_set_aside_and_the_rest_counts(stopped: Service, tail: bytes) -> None:
    (stopped.journal_dir / "0.journal").write_bytes(GOOD + tail)
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 7}
        assert (service.journal_dir / "0.corrupt").read_bytes() == tail
        assert f"The last {len(tail)} bytes" in service.log()


@pytest.mark.parametrize("content", [b"", HEADER[:7], HEADER])
def test_journal_without_a_record_is_removed(stopped: Service, content: bytes) -> None:
    (stopped.journal_dir / "0.journal").write_bytes(content)
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [(MAGIC + b"2\n" + GOOD, "newer version"), (b"holiday photos", "is not a journal")],
)
def test_file_that_is_no_journal_is_kept(stopped: Service, content: bytes, message: str) -> None:
    alien = stopped.journal_dir / "0.journal"
    alien.write_bytes(content)
    (stopped.journal_dir / "1.journal").write_bytes(GOOD)
    with stopped as service:
        service.wait_for_totals({"a": 7})
        assert message in service.log()
        assert alien.read_bytes() == content


def test_mended_journal_counts_without_a_restart(stopped: Service) -> None:
    journal = stopped.journal_dir / "0.journal"
    journal.write_bytes(b"holiday photos")
    with stopped as service:
        wait_for(lambda: "is not a journal" in service.log(), "the complaint", service.log)
        journal.write_bytes(GOOD)
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 7}
        assert service.log().count("is not a journal") <= len(service.workers())


def test_journal_is_counted_once_though_two_processes_find_it(stopped: Service) -> None:
    for number in range(50):
        (stopped.journal_dir / f"{number}.journal").write_bytes(GOOD)
    stopped.environment["WEB_CONCURRENCY"] = "4"
    with stopped as service:
        service.manage("flushnumbers")
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 350}


@pytest.mark.parametrize("name", ["copy of " + "0" * 32, "0\udcff"], ids=["long", "no UTF-8"])
def test_file_named_as_no_journal_holds_up_no_other(stopped: Service, name: str) -> None:
    strange = stopped.journal_dir / f"{name}.journal"
    strange.write_bytes(GOOD)
    (stopped.journal_dir / "z.journal").write_bytes(GOOD)
    assert "1 files" in stopped.manage("flushnumbers", code=1)
    assert stopped.totals() == {"a": 7}
    assert "is named as no journal is" in stopped.manage("resetnumbers", "--noinput", code=1)
    with stopped as service:
        wait_for(lambda: "is named as no journal is" in service.log(), "the complaint", service.log)
        wait_for(lambda: list(service.journal_dir.iterdir()) == [strange], "recovery", service.log)
    assert strange.read_bytes() == GOOD
