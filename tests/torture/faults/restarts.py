"""Workers restarted thousands of times, and what that leaves behind."""

from __future__ import annotations

import signal

import psutil

from tests.torture.fault import fault
from tests.torture.run import Run
from tests.torture.service import HarnessError, Service, wait_until

_WORKERS = 8
_RESTARTS, _LONG_RESTARTS = 100, 10_000
_GROWTH = 8 * 1024 * 1024
"""Bytes by which a process may grow, however many restarts there were."""


@fault("worker restarts in number", "they leave no file, row, descriptor or memory behind")
def _restart_often(run: Run) -> None:
    # With --preload a restart is a fork: so there is time for thousands.
    run.start(WEB_CONCURRENCY=str(_WORKERS), GUNICORN_CMD_ARGS="--preload", FLUSH_INTERVAL="1")
    service = run.service
    restarts = _LONG_RESTARTS if run.long and not run.beside_commands else _RESTARTS
    survivor = service.workers()[0]  # it sees all the others die, and recovers their journals
    with run.load():
        wait_until(lambda: len(service.owners()) == _WORKERS, "each worker's journal")
    before = _held(service, survivor)
    with run.load():
        spared = {survivor}
        while run.injected < restarts:
            spared &= set(service.workers())  # the system uses process IDs again
            for worker in _wait_for_owners(service, spared):
                service.send(run.chance.choice([signal.SIGKILL, signal.SIGTERM]), worker)
                spared.add(worker)
                run.injected += 1
        service.ensure_running()
        run.wait_for_progress()
    wait_until(lambda: _is_within(_held(service, survivor), before), f"no more than {before}")
    service.stop()
    service.start()  # what the last deaths left is recovered now, at the latest
    service.stop()
    if left := list(service.journals.iterdir()):
        raise HarnessError(f"files are left: {left}")
    if rows := service.rows("SELECT journal FROM positions"):
        raise HarnessError(f"positions are left: {rows}")


def _wait_for_owners(service: Service, spared: set[int]) -> set[int]:
    """Return workers that are to end: they have journals, for a restart to leave behind."""
    wait_until(lambda: not spared.issuperset(service.owners()), "a new worker's journal")
    return set(service.owners()) - spared


def _held(service: Service, survivor: int) -> dict[str, int]:
    """Return what the processes hold, of workers the most that one does."""
    master, worker = psutil.Process(service.master.pid), psutil.Process(survivor)
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
        number <= before[what] + (_GROWTH if what.startswith("memory") else 0)
        for what, number in held.items()
    )
