"""The faults: each a function that makes it happen to a service under load."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import dataclass

from torture.run import Run
from torture.service import wait_until


@dataclass(frozen=True, slots=True)
class Fault:
    name: str
    proves: str
    inflict: Callable[[Run], None]
    short: bool
    """Whether it belongs to the short run, which is part of `make test`."""


FAULTS: dict[str, Fault] = {}


def fault(
    name: str, proves: str, short: bool = False
) -> Callable[[Callable[[Run], None]], Callable[[Run], None]]:
    def register(inflict: Callable[[Run], None]) -> Callable[[Run], None]:
        FAULTS[name] = Fault(name, proves, inflict, short)
        return inflict

    return register


@fault("kill a worker", "SIGKILL of one worker loses nothing that it acknowledged", short=True)
def _kill_a_worker(run: Run) -> None:
    run.start()
    with run.load():
        for _ in range(5 if run.long else 2):
            run.pause()
            run.service.send(signal.SIGKILL, run.chance.choice(run.service.workers()))
            run.injected += 1
            run.service.ensure_running()
            run.wait_for_progress()
