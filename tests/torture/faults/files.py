"""Files that are removed, replaced, cloned and damaged while processes use them, and odd ones."""

from __future__ import annotations

import os
import shutil
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.testbed.databases import locked
from tests.testbed.service import NEVER, Service
from tests.testbed.waiting import wait_for
from tests.torture.fault import Inflict, fault
from tests.torture.orders import sabotaged_service
from tests.torture.run import Run

_HEADER_BYTES = 100
_HUGE_BYTES = 2**40


def _journals(run: Run) -> list[Path]:
    return sorted(run.service.journal_dir.glob("*.journal"))


def _wait_until_back(run: Run, journals: set[Path]) -> None:
    """Return once all these are whole again, and their processes have said so."""
    wait_for(
        lambda: all(f"{path} was moved" in run.service.log() for path in journals),
        "the journals to be back",
        run.service.log,
    )


def _remove_each(run: Run) -> None:
    for journal in _journals(run):
        journal.unlink()


def _remove_folder(run: Run) -> None:
    shutil.rmtree(run.service.journal_dir)


def _replace_each(run: Run) -> None:
    for journal in _journals(run):
        other = run.folder / "other"
        other.write_bytes(run.chance.randbytes(1000))
        other.rename(journal)


def _move_each(run: Run) -> None:
    for journal in _journals(run):
        journal.rename(run.folder / journal.name)


def _take_away(take: Callable[[Run], None]) -> Inflict:
    """Return a fault: files are taken from living processes, which put them back."""

    def inflict(run: Run) -> None:
        run.takes_journals_away = True
        run.start(FLUSH_INTERVAL="1")
        with run.load():
            for _ in range(5 if run.long else 1):
                run.pause()
                wait_for(lambda: len(run.service.journal_owners()) == 2, "each worker's journal")
                with run.no_commands():  # a reset meanwhile would not know of these journals
                    before = set(_journals(run))
                    take(run)
                    _wait_until_back(run, before)
                run.injected += 1
                run.wait_for_progress()
                run.service.kill()  # so the totals come from the files that were put back
                run.service.ensure_running()
                run.wait_for_progress()

    return inflict


for _name, _take in [
    ("journals removed", _remove_each),
    ("journals' folder removed", _remove_folder),
    ("journals replaced", _replace_each),
    ("journals moved away", _move_each),
]:
    fault(f"{_name} under living processes", "they are back within a second, whole")(
        _take_away(_take)
    )


@fault(
    "database and journals removed under living processes",
    "after `migrate`, what the processes hold is in the new database",
)
def _start_afresh(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        database = run.service.database
        with run.no_commands():
            with locked(database):
                shutil.rmtree(run.service.journal_dir)
                for suffix in "", "-wal", "-shm":
                    database.with_name(database.name + suffix).unlink(missing_ok=True)
                run.replaced = time.monotonic()
            run.injected += 1
            run.service.wait_for_log("It is back")
            run.service.manage("migrate", "-v0")
            run.service.wait_for_log("The flush succeeds again")
        run.wait_for_progress()


def _wait_until_recovered(service: Service) -> None:
    wait_for(
        lambda: not list(service.journal_dir.glob("*.journal")),
        "the journals to be recovered",
        service.log,
    )


@fault("journals cloned under living processes", "what original and clone both hold counts once")
def _clone(run: Run) -> None:
    run.start(FLUSH_INTERVAL="2")
    with run.load():
        for number in range(5 if run.long else 1):
            run.pause()
            clone = sabotaged_service(
                run.folder / f"clone {number}",
                DATABASE_URL=run.service.environment["DATABASE_URL"],
            )
            run.cleanup.callback(clone.kill)
            with run.no_commands():  # a reset does not reach another folder's journals
                shutil.copytree(run.service.journal_dir, clone.journal_dir)
                clone.start()
                _wait_until_recovered(clone)
                clone.stop()
            run.injected += 1
            run.wait_for_progress()


@fault(
    "journals damaged under living processes",
    "the processes count from memory; flushnumbers and resets stay exact",
)
def _damage(run: Run) -> None:
    run.start(FLUSH_INTERVAL=NEVER)  # what is damaged is not in the totals yet
    with run.load():
        for _ in range(5 if run.long else 1):
            run.pause()
            wait_for(lambda: len(run.service.journal_owners()) == 2, "each worker's journal")
            for journal in _journals(run):
                _flip_one_byte(run, journal)
                run.injected += 1
            run.pause()
            run.service.manage("flushnumbers")
            run.wait_for_progress()
            run.service.stop()  # only a process that lives knows what was damaged
            run.service.ensure_running()
            run.wait_for_progress()


def _flip_one_byte(run: Run, journal: Path) -> None:
    place = run.chance.randrange(_HEADER_BYTES, journal.stat().st_size)
    with journal.open("r+b", buffering=0) as file:
        file.seek(place)
        (byte,) = file.read(1)
        file.seek(place)
        file.write(bytes([byte ^ 1 << run.chance.randrange(8)]))


@fault("odd files among the journals", "they are left alone, and hold up nothing", short=True)
def _odd_files(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        odd = _make_odd_files(run)
        run.injected += len(odd)
        for path in odd:
            if path.suffix == ".journal" and path.exists():  # not where a link leads nowhere
                run.service.wait_for_log(str(path))
        run.service.kill()
        run.service.ensure_running()
        run.wait_for_progress()
    began = time.monotonic()
    run.service.stop()
    assert time.monotonic() - began < 30, "odd files have held up the end"
    missing = [path for path in odd if not os.path.lexists(path)]
    assert not missing, f"these were removed: {missing}"
    journals = {path for path in odd if path.name.endswith(".journal")}
    assert set(_journals(run)) == journals, "a journal was not recovered"
    for path in odd:
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _make_odd_files(run: Run) -> list[Path]:
    """Make files with names of ours, or nearly, that are nothing of ours; return their paths."""
    folder = run.service.journal_dir
    made: list[Path] = []

    def path(suffix: str = ".journal") -> Path:
        made.append(folder / (uuid.UUID(int=run.chance.getrandbits(128)).hex + suffix))
        return made[-1]

    for suffix in ".journal", ".done", ".corrupt", ".1-2.corrupt.draft":
        os.mkfifo(path(suffix))
        path(suffix).mkdir()
    for suffix in ".journal", ".done":
        path(suffix).write_bytes(run.chance.randbytes(1000))
        path(suffix).symlink_to(folder / "nowhere" / "at all")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        # A socket's path has to be short, and the folder's may be long.
        here = os.open(folder, os.O_RDONLY)
        listener.bind(f"/proc/self/fd/{here}/{path().name}")
        os.close(here)
    huge = path()
    huge.write_bytes(run.chance.randbytes(10))
    os.truncate(huge, _HUGE_BYTES)
    path().symlink_to("/proc/self/mem")  # it opens, and cannot be read
    unreadable = path()
    unreadable.write_bytes(b"figures")
    unreadable.chmod(0)
    for name in "yearly report.done", "copy of 1.journal", ".journal", "notes.corrupt.draft":
        made.append(folder / name)
        made[-1].write_bytes(b"figures")
    return made
