"""exportnumbers into files that are its own, that are no files, or that take no more."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.testbed.commands import MANAGE, ROOT, running
from tests.testbed.service import NEVER, Service
from tests.testbed.waiting import wait_for

MANY = (
    "INSERT INTO numbers WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
    " LIMIT {}) SELECT printf('%07d', i), 1 FROM n"
)

ROLLBACK_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504)


def fill(database: Path, rows: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(MANY.format(rows))
        connection.commit()


def shell(service: Service, line: str) -> tuple[int, str, str]:
    """Run a line in which `manage` is manage.py; return the exit code, stdout and stderr."""
    done = subprocess.run(
        ["bash", "-c", f'manage() {{ {" ".join(MANAGE)} "$@"; }}; {line}'],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    return done.returncode, done.stdout, done.stderr


# What must not be overwritten


def refusal(service: Service, target: Path) -> str:
    before = state(target)
    said = service.manage("exportnumbers", "--format", "csv", str(target), code=1)
    assert state(target) == before
    assert "Nothing was exported." in said
    return said


def state(path: Path) -> tuple[int, int] | None:
    """Return which file it is, and its length. To open SQLite's would end this process's locks."""
    if not path.exists():
        return None
    found = path.stat()
    return found.st_ino, found.st_size


def test_an_export_never_overwrites_what_the_service_works_with(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    links = tmp_path / "links"
    links.mkdir()
    with service, closing(sqlite3.connect(service.database)) as reader:
        reader.execute("SELECT * FROM numbers").fetchall()  # it keeps the -wal open
        service.increment("a", 5)
        wal = tmp_path / "numbers.db-wal"
        own = [service.database, wal, tmp_path / "numbers.db-shm"]
        for number, file in enumerate(own):
            assert file.exists()
            soft, hard = links / f"soft{number}", links / f"hard{number}"
            soft.symlink_to(file)
            hard.hardlink_to(file)
            for target in file, soft, hard:
                assert "is the database that the totals are kept in" in refusal(service, target)
                if target is not file:
                    target.unlink()  # SQLite warns of a second name
        rollback_journal = tmp_path / "numbers.db-journal"  # not there
        assert "is the database that the totals are kept in" in refusal(service, rollback_journal)
        (journal,) = service.journal_dir.glob("*.journal")
        (links / "journal").hardlink_to(journal)
        assert "is in JOURNAL_DIR" in refusal(service, journal)
        assert "is in JOURNAL_DIR" in refusal(service, service.journal_dir / "new.journal")
        assert "is a journal" in refusal(service, links / "journal")
        service.manage("flushnumbers")
        assert service.totals() == {"a": 5}


def test_nor_databases_of_others_nor_the_secret_key(tmp_path: Path) -> None:
    service = Service(tmp_path, DJANGO_SECRET_KEY="very secret")
    secret_key = tmp_path / "key"
    secret_key.write_text("very secret\n")
    assert "holds the secret key" in refusal(service, secret_key)
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE other (key)")
        assert "is an SQLite database" in refusal(service, other)
        for suffix in "-wal", "-shm":
            said = refusal(service, tmp_path / f"other.db{suffix}")
            assert "belongs to an SQLite database" in said
    rollback_journal = tmp_path / "other.db-journal"
    rollback_journal.write_bytes(ROLLBACK_JOURNAL)
    assert "belongs to an SQLite database" in refusal(service, rollback_journal)


# What is no regular file


@pytest.fixture
def service(tmp_path: Path) -> Service:
    """A service that does not run, with 20,000 totals: more than a pipe holds."""
    service = Service(tmp_path)
    fill(service.database, 20_000)
    return service


def test_a_closed_stdout_is_said(service: Service) -> None:
    assert shell(service, "manage exportnumbers >&-") == (
        1,
        "",
        "CommandError: stdout is closed. The export is not whole.\n",
    )
    assert shell(service, "manage exportnumbers 2>&- | tail -n 1")[:2] == (0, "0020000,1\n")
    code, *_ = shell(service, "echo key,value | manage importnumbers - >&-")
    assert code == 0


@pytest.mark.parametrize("target", ["", "--format ndjson /dev/stdout"])
def test_a_stdout_that_takes_no_more_is_said_to_have_a_part(
    service: Service, tmp_path: Path, target: str
) -> None:
    part = tmp_path / "part"
    line = f"ulimit -f 64; manage exportnumbers {target} > {part}"
    said = "CommandError: stdout: File too large. The export is not whole.\n"
    assert shell(service, line) == (1, "", said)
    assert part.stat().st_size == 64 * 1024
    code, _, said = shell(service, f"manage exportnumbers {target} > /dev/full")
    assert code == 1
    assert "stdout: No space left on device. The export is not whole." in said


def test_the_names_of_pipes_are_written_to(service: Service, tmp_path: Path) -> None:
    pipe = tmp_path / "a.csv"
    for line in (
        "manage exportnumbers --format csv /dev/stdout | tail -n 1",
        "manage exportnumbers --format csv /dev/fd/5 5>&1 >/dev/null | tail -n 1",
        "manage exportnumbers --format csv >(tail -n 1) | cat",
        f"mkfifo {pipe}; manage exportnumbers {pipe} & tail -n 1 {pipe}",
    ):
        code, out, _ = shell(service, line)
        assert (code, out.strip()) == (0, "0020000,1"), line
    assert pipe.is_fifo()
    code, _, said = shell(service, "manage exportnumbers --format csv /dev/full")
    assert code == 1
    assert "/dev/full: No space left on device. The export is not whole." in said


def test_what_stdout_is_redirected_to_may_be_named(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    line = f"(manage exportnumbers --format csv /dev/stdout; echo end) > {out}"
    assert shell(service, line)[0] == 0
    assert out.read_text().endswith("0020000,1\nend\n")


# Drafts


def test_an_export_that_is_told_to_end_leaves_no_draft(tmp_path: Path) -> None:
    service = Service(tmp_path)
    fill(service.database, 1_000_000)
    folder = tmp_path / "exports"
    folder.mkdir()
    command = [*MANAGE, "exportnumbers", str(folder / "a.csv")]
    with running(command, service.environment) as process:
        wait_for(lambda: list(folder.iterdir()), "a draft")
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 128 + signal.SIGTERM
    assert not os.listdir(folder)


def test_a_draft_that_was_left_is_in_nobodys_way(service: Service, tmp_path: Path) -> None:
    """Where process IDs come again, as in containers, so did the names of drafts."""
    folder = tmp_path / "exports"
    folder.mkdir()
    line = f'bash -c \'touch "{folder}/a.csv.$$.draft"; exec {" ".join(MANAGE)} exportnumbers'
    assert shell(service, f"{line} {folder}/a.csv'")[0] == 0
    assert (folder / "a.csv").read_text().endswith("0020000,1\n")
