"""The database: locked, read-only, replaced, corrupt, and gone in the middle of a COMMIT."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from tests.testbed.databases import copy, empty_database, locked
from tests.testbed.postgresql import socket_path, start_postgresql
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for
from tests.torture.fault import Inflict, fault
from tests.torture.proxy import Proxy
from tests.torture.run import Run


@fault("database locked", "callers notice nothing; a later flush adds all", short=True)
def _lock(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        with locked(run.service.database):
            time.sleep(60 if run.long else 1)
            run.wait_for_progress()
            run.injected += 1
        run.wait_for_progress()


@fault("database read-only", "callers notice nothing; a later flush adds all")
def _make_read_only(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        _set_writable(run.service.database, False)
        try:
            run.service.wait_for_log("The flush failed")
            run.injected += 1
            run.wait_for_progress()
        finally:
            _set_writable(run.service.database, True)
        run.service.wait_for_log("The flush succeeds again")


def _wait_until_gone(service: Service, workers: set[int]) -> None:
    wait_for(lambda: not workers & set(service.workers()), "the workers to end", service.log)


_MAX_JOURNAL_BYTES = 2**20
_TURN_BYTES = 2**16
"""More than a journal goes beyond its limit."""


@fault(
    "reloads while the database is away",
    "the folder's bound holds however often, and all counts once the database is back",
)
def _reload_without_database(run: Run) -> None:
    run.start(MAX_JOURNAL_BYTES=str(_MAX_JOURNAL_BYTES))
    service = run.service
    with run.load():
        run.pause()
        with run.no_commands():
            _set_writable(service.database, False)
        try:
            for sig in [signal.SIGHUP, signal.SIGKILL] * (5 if run.long else 2):
                run.wait_for_status(503)
                before = set(service.workers())
                service.send_signal(sig, before if sig == signal.SIGKILL else None)
                _wait_until_gone(service, before)
                run.injected += 1
                held = sum(path.stat().st_size for path in service.journal_dir.iterdir())
                at_once = 2 * int(service.environment["WEB_CONCURRENCY"])  # old ones and new ones
                assert held < at_once * (_MAX_JOURNAL_BYTES + _TURN_BYTES), f"{held} bytes are held"
        finally:
            _set_writable(service.database, True)
        run.wait_for_progress()


def _set_writable(database: Path, writable: bool) -> None:
    if os.geteuid():
        database.chmod(0o600 if writable else 0o400)
    else:  # root may write whatever the permissions are
        subprocess.run(["chattr", "-i" if writable else "+i", database], check=True)


def _replace(run: Run, other: Path) -> None:
    """Put `other` in the database's place, and remove the old WAL; nobody writes meanwhile."""
    database = run.service.database
    with run.no_commands(), locked(database):
        for suffix in "-wal", "-shm":
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        other.rename(database)
        run.replaced = time.monotonic()


@fault(
    "database replaced by an older copy",
    "what was flushed since is flushed again from the journals",
)
def _replace_by_older(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        older = copy(run.service.database, run.folder / "older.db")
        run.pause()
        _replace(run, older)
        run.injected += 1
        run.wait_for_progress()


@fault("database replaced by an empty one", "what the workers' journals hold is flushed again")
def _replace_by_empty(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        empty = run.folder / "empty.db"
        empty.write_bytes(empty_database())
        _replace(run, empty)
        run.injected += 1
        run.wait_for_progress()


@fault(
    "database corrupt", "callers notice nothing; a good copy that is put back is brought up to date"
)
def _corrupt(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        good = copy(run.service.database, run.folder / "good.db")
        corrupt = run.folder / "corrupt.db"
        corrupt.write_bytes(b"garbage " * 10_000)
        _replace(run, corrupt)
        run.service.wait_for_log("The flush failed")
        run.injected += 1
        run.wait_for_progress()
        with run.no_commands():
            good.rename(run.service.database)
            run.replaced = time.monotonic()
        run.service.wait_for_log("The flush succeeds again")


def _cut_at_commit(deliver: bool) -> Inflict:
    def inflict(run: Run) -> None:
        server = start_postgresql(run.folder / "postgresql")
        run.cleanup.callback(server.cleanup)
        proxy = Proxy(socket_path(server))
        run.cleanup.callback(proxy.close)
        run.start(DATABASE_URL=f"postgres://postgres@127.0.0.1:{proxy.port}/postgres")
        with run.load():
            for _ in range(5 if run.long else 1):
                run.pause()
                proxy.cut_next_commit(deliver)
                run.injected += 1
                run.wait_for_progress()

    return inflict


fault("PostgreSQL cut after COMMIT", "a commit whose answer was lost counts once", short=True)(
    _cut_at_commit(deliver=True)
)
fault(
    "PostgreSQL cut before COMMIT",
    "what a commit that never arrived would have added is added later",
)(_cut_at_commit(deliver=False))
