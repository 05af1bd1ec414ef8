"""The journal's disk: it is full or fails, and then it works again."""

from __future__ import annotations

import resource
from pathlib import Path

import psutil

from tests.torture.fault import Inflict, fault
from tests.torture.orders import give_order
from tests.torture.run import Run
from tests.torture.tmpfs import fill, tmpfs


def _while_ordered(order: str, *statuses: int, **settings: str) -> Inflict:
    """Return a fault: an order to the saboteurs, during which replies have `statuses`, in turn."""

    def inflict(run: Run) -> None:
        run.start(FLUSH_INTERVAL="2", **settings)
        with run.load():
            for _ in range(3 if run.long else 1):
                run.pause()
                path = give_order(run.service, order)
                for status in statuses:
                    run.wait_for_status(status)
                run.injected += 1
                run.pause()
                path.unlink()
                run.wait_for_progress()
                run.pause()
                run.service.kill()  # so the totals come from the journals, not from memory
                run.service.ensure_running()

    return inflict


_REFUSED = "callers get 503, and none of these counts; they get 200 once it works again"
_UNKNOWN = "those that waited get 500, others then 503, and 200 once it works again"
for _order, _what, _fsync, _statuses, _proves, _short in [
    ("write-eio", "EIO on journal writes", "everysec", [503], _REFUSED, False),
    ("write-short", "short journal writes", "everysec", [503], _REFUSED, True),
    ("fdatasync-eio", "fsync fails (everysec)", "everysec", [503], _REFUSED, False),
    ("fdatasync-eio", "fsync fails (always)", "always", [500, 503], _UNKNOWN, True),
]:
    fault(_what, _proves, _short)(_while_ordered(_order, *_statuses, JOURNAL_FSYNC=_fsync))


@fault("file-size limit", "no room for journal or database: 503, and 200 once there is")
def _limit_file_size(run: Run) -> None:
    run.start()
    with run.load():
        run.pause()
        for worker in map(psutil.Process, run.service.workers()):
            _, hard = worker.rlimit(resource.RLIMIT_FSIZE)
            worker.rlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        run.wait_for_status(503)
        run.injected += 1
        run.pause()
        for worker in map(psutil.Process, run.service.workers()):
            worker.rlimit(resource.RLIMIT_FSIZE, (hard, hard))
        run.wait_for_progress()


@fault("journal's file system full", "the same on a real file system without room")
def _fill_journals_disk(run: Run) -> None:
    run.cleanup.enter_context(tmpfs(run.folder / "journal", "4m"))
    run.start()
    with run.load():
        run.pause()
        ballast = fill(run.folder / "journal")
        run.wait_for_status(503)
        run.injected += 1
        ballast.unlink()
        run.wait_for_progress()


@fault(
    "database's file system full", "the flush fails, a later one adds all; callers notice nothing"
)
def _fill_databases_disk(run: Run) -> None:
    disk: Path = run.folder / "disk"
    run.cleanup.enter_context(tmpfs(disk, "2m"))
    run.start(DATABASE_URL=f"sqlite:///{disk / 'numbers.db'}")
    with run.load():
        run.pause()
        ballast = fill(disk)
        run.service.wait_for_log("The flush failed")
        run.injected += 1
        run.wait_for_progress()
        ballast.unlink()
        run.service.wait_for_log("The flush succeeds again")
