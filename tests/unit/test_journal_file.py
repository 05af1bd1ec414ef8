"""The journal's file: read while it is written, put back when it is gone."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

import pytest

from counters.increments import Increment
from counters.journal import Journal, JournalUnwritable
from counters.reader import read_records
from counters.records import read_header
from counters.sections import increments_section

SECTION = b"".join(increments_section([Increment("k" * 200, 1)]))


def test_reading_it_is_not_disturbed_by_what_is_appended(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_unflushed_bytes=10**9)
    for _ in range(5000):
        journal.append([SECTION])
    expected = journal.path.read_bytes()
    read = b""
    with journal.open() as file:
        while len(read) < len(expected):
            read += file.read(10_000)
            journal.append([SECTION])
    assert read[: len(expected)] == expected
    journal.close()


@pytest.mark.parametrize("gone", ["file", "folder", "moved", "replaced"])
def test_it_is_put_back_with_all_that_it_held(tmp_path: Path, gone: str) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, max_unflushed_bytes=10**9)
    journal.append([SECTION])
    held = journal.path.read_bytes()
    match gone:
        case "file":
            journal.path.unlink()
        case "folder":
            shutil.rmtree(folder)
        case "moved":
            journal.path.rename(tmp_path / "elsewhere")
        case "replaced":
            journal.path.unlink()
            journal.path.write_bytes(b"an older copy")
    assert not journal.is_in_place
    journal.put_back()
    assert journal.is_in_place
    assert journal.path.read_bytes() == held
    journal.append([SECTION])
    assert len(journal.path.read_bytes()) == journal.end > len(held)
    with journal.path.open("rb") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)  # it is still this process's
    assert [path.name for path in folder.iterdir()] == [journal.path.name]
    journal.close()


def test_nothing_is_accepted_while_it_cannot_be_put_back(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    journal = Journal(folder, max_unflushed_bytes=10**9)
    shutil.rmtree(folder)
    folder.write_text("in the way")
    with pytest.raises(FileExistsError):
        journal.put_back()
    with pytest.raises(JournalUnwritable, match="cannot be put back"):
        journal.append([SECTION])
    folder.unlink()
    journal.put_back()
    journal.append([SECTION])
    journal.close()


def test_it_is_bound_to_its_totals_while_it_is_appended_to(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_unflushed_bytes=10**9)
    journal.append([SECTION])
    size = journal.path.stat().st_size
    journal.bind(b"0123456789abcdef")
    journal.append([SECTION])
    with journal.open() as file:
        header = read_header(file)
        assert header == journal.header
        assert header.totals_id == b"0123456789abcdef"
        contents = read_records(file, header, 0, journal.end, past_damage=False)
    assert contents.increments == 2
    assert journal.path.stat().st_size == journal.end == 2 * size - header.size
    journal.close()
