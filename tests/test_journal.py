"""Journals as a crash, a bad disk or another version leaves them."""

from __future__ import annotations

from pathlib import Path
from struct import pack
from zlib import crc32

import pytest

from counters.journal import HEADER, MAGIC, record_of_batch, record_of_increments
from tests.server import Server, wait_for


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


def recovered(server: Server) -> bool:
    return not list(server.journal_dir.glob("*.journal"))


@pytest.fixture
def stopped(tmp_path: Path) -> Server:
    """A service that does not run yet."""
    server = Server(tmp_path)
    server.journal_dir.mkdir()
    return server


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
def test_bad_tail_is_set_aside_and_the_rest_counts(stopped: Server, tail: bytes) -> None:
    (stopped.journal_dir / "0.journal").write_bytes(GOOD + tail)
    with stopped as server:
        wait_for(lambda: recovered(server), "the recovery", server.log)
        assert server.totals() == {"a": 7}
        assert (server.journal_dir / "0.corrupt").read_bytes() == tail
        assert f"The last {len(tail)} bytes" in server.log()


@pytest.mark.parametrize("content", [b"", HEADER[:7], HEADER])
def test_journal_without_a_record_is_removed(stopped: Server, content: bytes) -> None:
    (stopped.journal_dir / "0.journal").write_bytes(content)
    with stopped as server:
        wait_for(lambda: recovered(server), "the recovery", server.log)
        assert server.totals() == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [(MAGIC + b"2\n" + GOOD, "newer version"), (b"holiday photos", "is not a journal")],
)
def test_file_that_is_no_journal_is_kept(stopped: Server, content: bytes, message: str) -> None:
    alien = stopped.journal_dir / "0.journal"
    alien.write_bytes(content)
    (stopped.journal_dir / "1.journal").write_bytes(GOOD)
    with stopped as server:
        server.wait_for_totals({"a": 7})
        assert message in server.log()
        assert alien.read_bytes() == content


def test_mended_journal_counts_without_a_restart(stopped: Server) -> None:
    journal = stopped.journal_dir / "0.journal"
    journal.write_bytes(b"holiday photos")
    with stopped as server:
        wait_for(lambda: "is not a journal" in server.log(), "the complaint", server.log)
        journal.write_bytes(GOOD)
        wait_for(lambda: recovered(server), "the recovery", server.log)
        assert server.totals() == {"a": 7}
        assert server.log().count("is not a journal") <= len(server.workers())


def test_journal_is_counted_once_though_two_processes_find_it(stopped: Server) -> None:
    for number in range(50):
        (stopped.journal_dir / f"{number}.journal").write_bytes(GOOD)
    stopped.env["WEB_CONCURRENCY"] = "4"
    with stopped as server:
        server.manage("flushnumbers")
        wait_for(lambda: recovered(server), "the recovery", server.log)
        assert server.totals() == {"a": 350}


@pytest.mark.parametrize("name", ["copy of " + "0" * 32, "0\udcff"], ids=["long", "no UTF-8"])
def test_file_named_as_no_journal_holds_up_no_other(stopped: Server, name: str) -> None:
    strange = stopped.journal_dir / f"{name}.journal"
    strange.write_bytes(GOOD)
    (stopped.journal_dir / "z.journal").write_bytes(GOOD)
    assert "1 files" in stopped.manage("flushnumbers", code=1)
    assert stopped.totals() == {"a": 7}
    assert "is named as no journal is" in stopped.manage("resetnumbers", "--noinput", code=1)
    with stopped as server:
        wait_for(lambda: "is named as no journal is" in server.log(), "the complaint", server.log)
        wait_for(lambda: list(server.journal_dir.iterdir()) == [strange], "recovery", server.log)
    assert strange.read_bytes() == GOOD
