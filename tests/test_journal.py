"""Journals that a crash, a bad disk or another version has left."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from shutil import copy
from struct import pack
from uuid import uuid4

import pytest

from counters import sections
from counters.increments import Increment
from counters.records import Header, record
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

FORMAT_1 = Path(__file__).parent / "fixtures" / "format1"
HEADER = Header()


def section(key: str, value: int = 1) -> bytes:
    return b"".join(sections.increments_section([Increment(key, value)]))


def batch_section(json: bytes) -> bytes:
    return b"".join(sections.batch_section(json))


def written(*sections: bytes) -> bytes:
    """Return the record of `sections`."""
    return record(HEADER.mark, sections)


GOOD = b"".join(
    [
        HEADER.encode(),
        written(section("a", 3)),
        written(section("a", 6), batch_section(b'[{"key":"a","value":-2}]')),
        written(section("a", 5), section("a", -5)),
    ]
)
"""A journal that adds 7 to "a"."""
AFTER = written(section("after"))


def leave(service: Service, content: bytes, suffix: str = ".journal") -> Path:
    """Write a journal as a process that is gone may have left it; return its path."""
    path = service.journal_dir / (uuid4().hex + suffix)
    path.write_bytes(content)
    return path


def recovered(service: Service) -> bool:
    return not list(service.journal_dir.glob("*.journal"))


@pytest.fixture
def stopped(tmp_path: Path) -> Service:
    """A service that does not run yet."""
    service = Service(tmp_path)
    service.journal_dir.mkdir()
    return service


DAMAGE = {
    "torn": written(section("b"))[:-1],
    "torn head": written(section("b"))[:5],
    "flipped": written(section("b"))[:-1] + b"?",
    "zeros": b"\0" * 4096,
    "ones": b"\xff" * 100,
    "no content": written(b"I"),
    "no UTF-8": written(b"I" + pack("<I", 15) + pack("<IqH", 1, 1, 1) + b"\xff"),
    "no JSON": written(batch_section(b"nonsense")),
    "long torn batch": written(batch_section(b"[" * 3_000_000))[:-1],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("behind", [b"", AFTER], ids=["at the end", "in the middle"])
def test_damage_costs_only_itself_and_is_kept(
    stopped: Service, damage: bytes, behind: bytes
) -> None:
    journal = leave(stopped, GOOD + damage + behind)
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 7} | ({"after": 1} if behind else {})
        (kept,) = service.journal_dir.glob("*.corrupt")
        assert kept.name == f"{journal.stem}.{len(GOOD)}-{len(GOOD + damage)}.corrupt"
        assert kept.read_bytes() == damage
        assert kept.stat().st_mode & 0o777 == 0o600
        assert service.log().count(f"{len(damage)} bytes of {journal}") == 1


def test_each_damaged_range_is_kept_under_a_name_of_its_own(stopped: Service) -> None:
    content = GOOD + DAMAGE["ones"] + AFTER + DAMAGE["torn"] + AFTER
    leave(stopped, content)
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 7, "after": 2}
        kept = [path.read_bytes() for path in service.journal_dir.glob("*.corrupt")]
        assert Counter(kept) == Counter([DAMAGE["ones"], DAMAGE["torn"]])


@pytest.mark.parametrize(
    "content",
    [b"", HEADER.encode()[:7], HEADER.encode()],
    ids=lambda content: f"{len(content)} bytes",
)
def test_journal_without_a_record_is_removed(stopped: Service, content: bytes) -> None:
    leave(stopped, content)
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"incrementer journal 4\n" + GOOD, "newer version"),
        (GOOD + written(section("a"), b"R" + pack("<I", 2) + b"id"), "newer version"),
        (b"holiday photos", "is not a journal"),
    ],
    ids=["newer header", "newer section", "no journal"],
)
def test_file_that_must_not_be_read_is_kept_as_it_is(
    stopped: Service, content: bytes, message: str
) -> None:
    alien = leave(stopped, content)
    leave(stopped, GOOD)
    with stopped as service:
        service.wait_for_totals({"a": 7})
        wait_for(lambda: message in service.log(), "the complaint", service.log)
        assert message in service.manage("flushnumbers", code=1)
    assert [path for path in stopped.journal_dir.iterdir() if path.suffix == ".journal"] == [alien]
    assert alien.read_bytes() == content
    assert stopped.totals() == {"a": 7}


def test_mended_journal_counts_without_a_restart(stopped: Service) -> None:
    journal = leave(stopped, b"holiday photos")
    with stopped as service:
        wait_for(lambda: "is not a journal" in service.log(), "the complaint", service.log)
        journal.write_bytes(GOOD)
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 7}
        assert service.log().count("is not a journal") <= len(service.workers())


def test_journal_that_several_processes_find_counts_once(stopped: Service) -> None:
    for _ in range(50):
        leave(stopped, GOOD)
    stopped.environment["WEB_CONCURRENCY"] = "4"
    with stopped as service:
        service.manage("flushnumbers")
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {"a": 350}


@pytest.mark.parametrize("name", ["copy of " + "0" * 32, "0\udcff"], ids=["long", "no UTF-8"])
def test_file_named_as_no_journal_does_not_stop_others(stopped: Service, name: str) -> None:
    strange = stopped.journal_dir / f"{name}.journal"
    strange.write_bytes(GOOD)
    leave(stopped, GOOD)
    assert "1 files" in stopped.manage("flushnumbers", code=1)
    assert stopped.totals() == {"a": 7}
    assert "is named as no journal is" in stopped.manage("resetnumbers", "--noinput", code=1)
    with stopped as service:
        wait_for(lambda: "is named as no journal is" in service.log(), "the complaint", service.log)
        wait_for(lambda: list(service.journal_dir.iterdir()) == [strange], "recovery", service.log)
    assert strange.read_bytes() == GOOD


def test_only_files_with_the_name_and_the_header_of_a_journal_are_touched(
    stopped: Service,
) -> None:
    report = stopped.journal_dir / "yearly-report.done"
    report.write_bytes(b"figures")
    foreign = leave(stopped, b"figures", ".done")
    folder = stopped.journal_dir / f"{uuid4().hex}.done"
    folder.mkdir()
    for suffix in ".journal", ".done":
        os.mkfifo(stopped.journal_dir / (uuid4().hex + suffix))
    leave(stopped, GOOD)
    ours = leave(stopped, GOOD, ".done")  # its process died while it retired this journal
    with stopped as service:
        service.wait_for_totals({"a": 7})
        wait_for(lambda: not ours.exists(), "the retired journal to go", service.log)
        assert "is no regular file" in service.manage("flushnumbers", code=1)
        assert service.stop() == 0
    assert report.read_bytes() == foreign.read_bytes() == b"figures"
    assert folder.is_dir()


def test_a_journal_whose_process_died_while_it_put_it_back_counts(stopped: Service) -> None:
    leave(stopped, GOOD, ".draft")
    leave(stopped, GOOD[:-1], ".draft")
    foreign = [stopped.journal_dir / "notes.draft", leave(stopped, b"", ".1-2.draft")]
    foreign[0].write_bytes(GOOD)
    os.mkfifo(stopped.journal_dir / f"{uuid4().hex}.draft")
    stopped.manage("resetnumbers", "--noinput")
    leave(stopped, GOOD, ".draft")
    stopped.manage("flushnumbers")
    assert stopped.totals() == {"a": 7}
    leave(stopped, GOOD, ".draft")
    with stopped as service:
        service.wait_for_totals({"a": 14})
        wait_for(lambda: recovered(service), "the recovery", service.log)
    assert len(list(stopped.journal_dir.glob("*.draft"))) == 3
    assert all(path.exists() for path in foreign)


def test_journals_of_format_1_are_recovered(stopped: Service) -> None:
    for path in FORMAT_1.iterdir():
        copy(path, stopped.journal_dir / f"{uuid4().hex}.journal")
    with stopped as service:
        wait_for(lambda: recovered(service), "the recovery", service.log)
        assert service.totals() == {
            "a": 2 * (3 + 4 + 10) + 3,
            "é🦊": 2 * (-5 - 1),
            "k" * 255: 2**63 - 1,
            "🦊": -(2**63),
            "line\nbreak": 1,
        }


@pytest.fixture
def damaged(start_service: StartService) -> Service:
    """A service whose journal is damaged while it runs, in the second of three records."""
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    for key in "first", "damaged", "last":
        service.increment(key)
    (path,) = service.journal_dir.glob("*.journal")
    data = bytearray(path.read_bytes())
    data[data.index(b"damaged")] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    return service


def test_a_living_process_flushes_from_memory_what_is_damaged_in_its_journal(
    damaged: Service,
) -> None:
    damaged.manage("flushnumbers")
    # Only the journal's own process can flush the rest.
    assert damaged.totals() == {"first": 1}
    damaged.increment("later")
    damaged.manage("flushnumbers")
    damaged.stop()
    assert damaged.totals() == {"first": 1, "damaged": 1, "last": 1, "later": 1}


def test_a_reset_is_exact_where_the_journal_of_a_living_process_is_damaged(
    damaged: Service,
) -> None:
    damaged.manage("resetnumbers", "--noinput")
    damaged.increment("after")
    damaged.stop()
    assert damaged.totals() == {"after": 1}
