"""One run: a service, clients that load it, a fault, and the account of it all."""

from __future__ import annotations

import math
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from pathlib import Path

from torture.account import Request, Reset, Verdict, account, read_ledger
from torture.service import ROOT, HarnessError, Service, wait_until

_CLIENTS = 3


class Run:
    """What a fault works with.

    Attributes:
        service: the service, running.
        chance: where all randomness comes from.
        minutes: how long the whole torture is to take.
        long: whether there is time for the long form of a fault.
        injected: how many times the fault was made to happen.
        beside: requests besides those of the clients.
        cleanup: what is to be undone at the end.
        reset, durable_until: what the account has to know, where the fault changes it.
    """

    def __init__(self, folder: Path, chance: random.Random, minutes: float) -> None:
        self.folder = folder
        self.chance = chance
        self.minutes = minutes
        self.long = minutes >= 30
        self.injected = 0
        self.reset = Reset()
        self.durable_until = math.inf
        self.ledgers: list[Path] = []
        self.beside: list[Request] = []
        self.cleanup = ExitStack()

    def start(self, **settings: str) -> None:
        """Start the service, with `settings` in its environment."""
        self.service = Service(self.folder, **settings)
        if "DATABASE_URL" in settings:
            self.service.manage("migrate", "-v0")
        else:
            shutil.copy(empty_database(), self.service.database)
        self.service.start()

    @contextmanager
    def load(self, port: int = 0) -> Iterator[None]:
        """Have clients send increments; they have begun, and end with the block."""
        clients, ledgers = [], []
        for _ in range(_CLIENTS):
            ledger = self.folder / f"ledger {len(self.ledgers)}"
            self.ledgers.append(ledger)
            ledgers.append(ledger)
            seed = str(self.chance.random())
            command = [sys.executable, "-m", "torture.client", str(port or self.service.port)]
            command += [seed, str(ledger)]
            clients.append(subprocess.Popen(command, cwd=ROOT))
        try:
            for ledger in ledgers:
                wait_until(partial(_has_begun, ledger), "a client to begin")
            yield
        finally:
            for client in clients:
                client.terminate()
            for client in clients:
                if client.wait(60):
                    raise HarnessError("a client failed")

    def pause(self, least: float = 0.1, most: float = 1.0) -> None:
        """Let a random time pass under load: the instant of a fault is to be any instant."""
        time.sleep(self.chance.uniform(least, most))

    def requests(self) -> Iterator[Request]:
        for ledger in self.ledgers:
            yield from read_ledger(ledger)
        yield from self.beside

    def wait_for(self, status: int) -> None:
        """Wait until a request is answered with `status` (0: is not answered)."""

        def count() -> int:
            return sum(request.status == status for request in self.requests())

        before = count()
        wait_until(lambda: count() > before, f"an answer {status}", 90)

    def wait_for_progress(self) -> None:
        """Wait until increments are acknowledged again."""
        self.wait_for(200)

    def settle(self) -> Verdict:
        """Bring everything into the totals, in two ways, and return the worse verdict.

        First `flushnumbers` does it while the workers run; then the workers end, and must not
        count again what they have in memory.
        """
        self.service.ensure_running()
        self.service.manage("flushnumbers")
        running = self._account()
        self.service.stop()
        self.service.manage("flushnumbers")
        stopped = self._account()
        return max(running, stopped, key=lambda verdict: verdict.lost + verdict.double)

    def _account(self) -> Verdict:
        return account(self.requests(), self.service.totals(), self.reset, self.durable_until)


def _has_begun(ledger: Path) -> bool:
    return ledger.exists() and ledger.stat().st_size > 0


@cache
def empty_database() -> Path:
    service = Service(Path(tempfile.mkdtemp(prefix="torture-empty-")))
    service.manage("migrate", "-v0")
    return service.database


def perform(fault: Callable[[Run], None], seed: str, minutes: float) -> tuple[int, Verdict]:
    """Make a fault happen to a service of its own; return how many times, and the account.

    The folder is kept where something was lost or went wrong.
    """
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    run = Run(folder, random.Random(seed), minutes)
    try:
        fault(run)
        verdict = run.settle()
    except HarnessError as error:
        raise HarnessError(f"{error} (everything is in {folder})") from error
    finally:
        if hasattr(run, "service"):
            run.service.kill_everything()
        run.cleanup.close()
    if verdict.lost or verdict.double:
        print(f"everything is in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return run.injected, verdict
