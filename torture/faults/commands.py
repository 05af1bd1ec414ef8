"""Commands and a second service at work on the same journals and database."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from torture.account import Reset
from torture.fault import fault
from torture.run import Run
from torture.service import Service


@fault("flushnumbers twice at once, under load", "whoever flushes, it counts once")
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
    run.start(FLUSH_INTERVAL="3600")  # what is reset is in journals and memory
    with run.load(), ThreadPoolExecutor() as pool:
        for _ in range(3 if run.long else 1):
            flush = pool.submit(run.service.manage, "flushnumbers")
            resets = [pool.submit(_reset, run.service) for _ in range(2)]
            flush.result()
            for reset in resets:
                reset.result()
            run.pause()
            run.reset = _reset(run.service)
            run.injected += 3
        run.wait_for_progress()


def _reset(service: Service) -> Reset:
    began = time.monotonic()
    service.manage("resetnumbers", "--noinput")
    return Reset(began, time.monotonic())


@fault("two services by mistake", "on the same journals and database they count as one")
def _start_twice(run: Run) -> None:
    run.start()
    other = Service(
        run.folder / "other",
        DATABASE_URL=run.service.env["DATABASE_URL"],
        JOURNAL_DIR=run.service.env["JOURNAL_DIR"],
    )
    run.cleanup.callback(other.kill_everything)
    other.start()
    with run.load(), run.load(other.port):
        for service in other, run.service:
            run.pause()
            service.kill_everything()
            run.injected += 1
            service.ensure_running()
            run.wait_for_progress()
    other.stop()
