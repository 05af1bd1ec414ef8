"""Processes that are killed, stopped, restarted or forked, or whose clock is wrong."""

from __future__ import annotations

import signal
import time

from tests.testbed.service import Service
from tests.testbed.waiting import wait_for
from tests.torture.fault import Inflict, fault
from tests.torture.instants import INSTANTS
from tests.torture.orders import give_order
from tests.torture.run import Run


def _repeat(run: Run, inflict: Inflict, **settings: str) -> None:
    """Make a fault happen under load: once, or five times in its long form."""
    run.start(**settings)
    with run.load():
        for _ in range(5 if run.long else 1):
            run.pause()
            inflict(run)
            run.injected += 1
            run.service.ensure_running()
            run.wait_for_progress()


@fault("kill -9 a worker", "what a killed worker has acknowledged is in its journal")
def _kill_a_worker(run: Run) -> None:
    _repeat(run, _kill_one)


def _kill_one(run: Run) -> None:
    run.service.send_signal(signal.SIGKILL, [run.chance.choice(run.service.workers())])


@fault("kill -9 all workers", "so it is when no worker is left")
def _kill_all_workers(run: Run) -> None:
    _repeat(run, lambda run: run.service.send_signal(signal.SIGKILL, run.service.workers()))


@fault("kill -9 everything", "so it is when nothing is left", short=True)
def _kill_everything(run: Run) -> None:
    _repeat(run, lambda run: run.service.kill())


@fault("kill -9 the master", "workers without a master end, and leave the port free", short=True)
def _kill_the_master(run: Run) -> None:
    _repeat(run, _kill_only_the_master)


def _kill_only_the_master(run: Run) -> None:
    run.service.send_signal(signal.SIGKILL)
    run.service.wait_until_gone()


def _die_at(instant: str, whom: str) -> Inflict:
    """Return a fault that kills one worker, or everyone, when a worker gets to an instant."""

    def inflict(run: Run) -> None:
        run.start()
        with run.load():
            run.pause()
            wait_for(lambda: len(run.service.journal_owners()) == 2, "each worker's journal")
            target = f"-{run.service.pid}" if whom == "everyone" else "0"
            order = give_order(run.service, f"die-{instant}", target)
            if INSTANTS[instant].retires:  # a dead worker leaves a journal, which is retired
                run.service.send_signal(signal.SIGKILL, run.service.workers()[:1])
            wait_for(lambda: not order.exists(), f"a process to die {INSTANTS[instant].when}")
            run.injected += 1
            if whom == "everyone":
                run.service.wait_until_gone()
            run.service.ensure_running()
            run.wait_for_progress()

    return inflict


_SHORT = {("write", "one"), ("commit", "everyone"), ("retired", "everyone")}

for _instant, _meaning in INSTANTS.items():
    for _whom in "one", "everyone":
        fault(
            f"kill -9 {_whom}: {_instant}",
            f"a death {_meaning.when} loses nothing and doubles nothing",
            short=(_instant, _whom) in _SHORT,
        )(_die_at(_instant, _whom))


def _end_by(sig: signal.Signals) -> Inflict:
    def stop(run: Run) -> None:
        run.service.stop(sig)

    return lambda run: _repeat(run, stop)


for _sig in signal.SIGTERM, signal.SIGINT, signal.SIGQUIT:
    fault(_sig.name, f"{_sig.name} under load ends the service, everything flushed or journaled")(
        _end_by(_sig)
    )


@fault("SIGHUP", "a reload under load replaces every worker")
def _reload(run: Run) -> None:
    _repeat(run, lambda run: replace_workers(run.service))


def replace_workers(service: Service) -> None:
    old = set(service.workers())
    service.send_signal(signal.SIGHUP)
    wait_for(lambda: not old & set(service.workers()), "the workers to be replaced")


@fault("SIGSTOP and SIGCONT", "a worker that stood still goes on where it was")
def _stop_and_continue(run: Run) -> None:
    _repeat(run, _stop_one_and_continue)


def _stop_one_and_continue(run: Run) -> None:
    worker = run.chance.choice(run.service.workers())
    run.service.send_signal(signal.SIGSTOP, [worker])
    time.sleep(15 if run.long else 2)
    run.service.send_signal(signal.SIGCONT, [worker])


@fault("gunicorn's worker timeout", "a worker that gunicorn kills for its silence loses nothing")
def _time_out(run: Run) -> None:
    _repeat(run, _stop_one_until_it_is_killed, GUNICORN_CMD_ARGS="--timeout 3")


def _stop_one_until_it_is_killed(run: Run) -> None:
    worker = run.chance.choice(run.service.workers())
    run.service.send_signal(signal.SIGSTOP, [worker])
    wait_for(lambda: worker not in run.service.workers(), "gunicorn to kill the silent worker")


@fault("clock set back and forth", "nothing depends on the time of day")
def _set_clock(run: Run) -> None:
    _repeat(run, _set_clock_once)


def _set_clock_once(run: Run) -> None:
    give_order(run.service, "clock", str(run.chance.uniform(-20000, 20000)))


@fault(
    "fork", "a child process has its own journal, and does not flush its parent's increments again"
)
def _fork(run: Run) -> None:
    _repeat(run, _fork_once)


def _fork_once(run: Run) -> None:
    ledger = run.folder / f"child {run.injected}"
    ledger.touch()
    run.ledgers.append(ledger)
    give_order(run.service, "fork", str(ledger))
    wait_for(lambda: ledger.stat().st_size, "a child's increment")
