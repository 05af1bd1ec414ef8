"""Two faults at a time."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tests.testbed.databases import locked
from tests.testbed.service import Service
from tests.torture.fault import fault
from tests.torture.instants import INSTANTS
from tests.torture.orders import give_order
from tests.torture.run import Run

_Brief = Callable[[Service, random.Random], None]
"""A fault that takes a few seconds. The processes that it acts on may be gone at any time."""


def _kill_master(service: Service, chance: random.Random) -> None:
    process = service.process
    service.send_signal(signal.SIGKILL)
    if process is not None:
        process.wait(60)


def _end_worker(service: Service, chance: random.Random) -> None:
    service.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM]), service.workers()[:1])


def _kill_everything(service: Service, chance: random.Random) -> None:
    service.kill()


def _end(service: Service, chance: random.Random) -> None:
    service.stop(chance.choice([signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]))


def _reload(service: Service, chance: random.Random) -> None:
    service.send_signal(signal.SIGHUP)


def _stop_and_continue(service: Service, chance: random.Random) -> None:
    workers = service.workers()
    service.send_signal(signal.SIGSTOP, workers)
    time.sleep(chance.uniform(0.5, 2))
    service.send_signal(signal.SIGCONT, workers)


def _lock_database(service: Service, chance: random.Random) -> None:
    with locked(service.database):
        time.sleep(chance.uniform(0.5, 2))


def _order(*names: str, text: str = "") -> _Brief:
    """Return a fault that gives the saboteurs one of these orders, and withdraws it soon."""

    def inflict(service: Service, chance: random.Random) -> None:
        order = give_order(service, chance.choice(names), text)
        time.sleep(chance.uniform(0.5, 2))
        order.unlink(missing_ok=True)

    return inflict


_BRIEF: list[_Brief] = [
    _kill_master,
    _end_worker,
    _kill_everything,
    _end,
    _reload,
    _stop_and_continue,
    _lock_database,
    _order(*(f"die-{instant}" for instant in INSTANTS), text="0"),
    _order("write-eio", "write-short"),
    _order("fdatasync-eio"),
    _order("clock", text="-10000"),
]


@fault("two faults at a time", "what each of two faults does not lose, both together do not lose")
def _two_at_a_time(run: Run) -> None:
    run.start()
    with run.load(), ThreadPoolExecutor() as pool:
        for _ in range(25 if run.long else 3):
            pair = run.chance.sample(_BRIEF, 2)
            for over in [pool.submit(_inflict, run, brief, run.chance.random()) for brief in pair]:
                over.result()
            run.injected += 2
            run.service.ensure_running()
            run.wait_for_progress()


def _inflict(run: Run, brief: _Brief, seed: float) -> None:
    chance = random.Random(seed)
    time.sleep(chance.uniform(0, 1))
    brief(run.service, chance)
