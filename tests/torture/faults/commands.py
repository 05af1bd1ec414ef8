"""Commands and a second service that use the same journals and database."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor

from tests.testbed.commands import MANAGE, running
from tests.testbed.service import NEVER
from tests.torture.account import Reset
from tests.torture.fault import Inflict, fault
from tests.torture.instants import RESET_INSTANTS
from tests.torture.orders import SABOTAGED_MANAGE, give_order, sabotaged_service
from tests.torture.run import Run

_RESET = "resetnumbers", "--noinput"


@fault("flushnumbers twice at once, under load", "what two commands flush counts once")
def _flush_at_once(run: Run) -> None:
    run.start()
    with run.load(), ThreadPoolExecutor() as pool:
        for _ in range(4 if run.long else 1):
            list(pool.map(run.service.manage, ["flushnumbers"] * 2))
            run.injected += 2
        run.wait_for_progress()


@fault(
    "resetnumbers and flushnumbers at once, under load",
    "what was acknowledged before a reset is gone, what is sent after it counts",
    short=True,
)
def _reset_at_once(run: Run) -> None:
    run.start(FLUSH_INTERVAL=NEVER)  # what is reset is in journals and memory
    with run.load(), ThreadPoolExecutor() as pool:
        for _ in range(3 if run.long else 1):
            flush = pool.submit(run.service.manage, "flushnumbers")
            resets = [pool.submit(_reset, run) for _ in range(2)]
            flush.result()
            for reset in resets:
                reset.result()
            run.pause()
            _reset(run)
            run.injected += 3
        run.wait_for_progress()


def _reset(run: Run) -> None:
    began = time.monotonic()
    run.service.manage(*_RESET)
    run.resets.append(Reset(began, time.monotonic()))


def _kill_during_reset(command: bool, service: bool) -> Inflict:
    """Return a fault that kills the command, the service or both at each instant of a reset."""

    def inflict(run: Run) -> None:
        run.start(FLUSH_INTERVAL=NEVER)  # what is reset is in journals, memory and totals
        with run.load():
            for instant in list(RESET_INSTANTS) * (3 if run.long else 1):
                run.pause()
                run.service.manage("flushnumbers")
                run.pause()
                victims = [f"-{run.service.pid}"] * service + ["0"] * command
                give_order(run.service, f"die-{instant}", " ".join(victims))
                began = time.monotonic()
                with running([*SABOTAGED_MANAGE, *_RESET], run.service.environment) as process:
                    code = process.wait(60)
                killed = -signal.SIGKILL if command else 0
                assert code == killed, f"resetnumbers ended with {code} ({instant})"
                if not command or RESET_INSTANTS[instant].is_done:
                    run.resets.append(Reset(began, time.monotonic()))
                run.injected += 1
                if service:
                    run.service.wait_until_gone()
                run.service.ensure_running()
                run.wait_for_progress()

    return inflict


for _whom, _command, _service in [
    ("resetnumbers", True, False),
    ("the service", False, True),
    ("both", True, True),
]:
    _when = "; ".join(instant.when for instant in RESET_INSTANTS.values())
    fault(
        f"kill -9 {_whom} during a reset",
        f"a death leaves everything reset, or nothing: {_when}",
        short=_whom == "resetnumbers",
    )(_kill_during_reset(_command, _service))


@fault("kill -9 resetnumbers", "so it is at any other moment")
def _kill_reset(run: Run) -> None:
    run.start()
    with run.load():
        began = time.monotonic()
        _reset(run)
        reset_seconds = time.monotonic() - began
        for _ in range(20 if run.long else 3):
            run.pause()
            began = time.monotonic()
            with running([*MANAGE, *_RESET], run.service.environment):
                run.pause(0.6 * reset_seconds, 1.1 * reset_seconds)
            run.resets.append(Reset(began, time.monotonic(), certain=False))
            run.injected += 1


@fault("two services by mistake", "on the same journals and database they count as one")
def _start_twice(run: Run) -> None:
    run.start()
    other = sabotaged_service(
        run.folder / "other",
        DATABASE_URL=run.service.environment["DATABASE_URL"],
        JOURNAL_DIR=run.service.environment["JOURNAL_DIR"],
    )
    run.cleanup.callback(other.kill)
    other.start()
    with run.load(), run.load(other.port):
        for service in other, run.service:
            run.pause()
            service.kill()
            run.injected += 1
            service.ensure_running()
            run.wait_for_progress()
    other.stop()
