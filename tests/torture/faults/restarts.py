"""Workers restarted thousands of times, and what that leaves behind."""

from __future__ import annotations

import signal

import psutil

from tests.testbed.databases import rows
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for
from tests.torture.fault import fault
from tests.torture.run import Run

_WORKERS = 8
_RESTARTS, _LONG_RESTARTS = 100, 10_000
_GROWTH_BYTES = 8 * 1024 * 1024
"""How much a process may grow, however many restarts there were."""


@fault("worker restarts in number", "they leave no file, row, descriptor or memory behind")
def _restart_often(run: Run) -> None:
    # With --preload a restart is a fork: so there is time for thousands.
    run.start(WEB_CONCURRENCY=str(_WORKERS), GUNICORN_CMD_ARGS="--preload", FLUSH_INTERVAL="1")
    service = run.service
    restarts = _LONG_RESTARTS if run.long and not run.beside_commands else _RESTARTS
    survivor = service.workers()[0]  # it sees all the others die, and recovers their journals
    with run.load():
        wait_for(lambda: len(service.journal_owners()) == _WORKERS, "each worker's journal")
    before = _held(service, survivor)
    with run.load():
        spared = {survivor}
        while run.injected < restarts:
            spared &= set(service.workers())  # the system uses process IDs again
            for worker in _wait_for_owners(service, spared):
                service.send_signal(run.chance.choice([signal.SIGKILL, signal.SIGTERM]), [worker])
                spared.add(worker)
                run.injected += 1
        service.ensure_running()
        run.wait_for_progress()
    wait_for(lambda: _is_within(_held(service, survivor), before), f"no more than {before}")
    service.stop()
    service.ensure_running()  # what the last deaths left is recovered now, at the latest
    service.stop()
    files = list(service.journal_dir.iterdir())
    assert not files, f"files are left: {files}"
    positions = rows(
        service.environment["DATABASE_URL"], "SELECT journal FROM positions WHERE NOT retired"
    )
    assert not positions, f"positions are left: {positions}"


def _wait_for_owners(service: Service, spared: set[int]) -> set[int]:
    """Return workers that are to end: they have journals, for a restart to leave behind."""
    wait_for(lambda: not spared.issuperset(service.journal_owners()), "a new worker's journal")
    return set(service.journal_owners()) - spared


def _held(service: Service, survivor: int) -> dict[str, int]:
    """Return what the processes hold, of workers the most that one does."""
    master, worker = psutil.Process(service.pid), psutil.Process(survivor)
    workers = [psutil.Process(pid) for pid in service.workers()]
    return {
        "children": len(master.children()),
        "descriptors of the master": master.num_fds(),
        "descriptors of a worker": max(worker.num_fds() for worker in workers),
        "memory of the master": master.memory_info().rss,
        "memory of the survivor": worker.memory_info().rss,
    }


def _is_within(held: dict[str, int], before: dict[str, int]) -> bool:
    return all(
        number <= before[what] + (_GROWTH_BYTES if what.startswith("memory") else 0)
        for what, number in held.items()
    )
