"""One run: a service, clients that load it, a fault, and the account of it all."""

from __future__ import annotations

import fcntl
import math
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tests.testbed.commands import ROOT
from tests.testbed.service import Service
from tests.testbed.waiting import Timeout, wait_for
from tests.torture.account import (
    Request,
    Reset,
    Verdict,
    count_stale,
    judge,
    possible_resets,
    read_requests,
    read_resets,
    unanswered,
)
from tests.torture.client import Connection, request_of
from tests.torture.orders import sabotaged_service

_CLIENTS = 3
_RECONNECTS = 0.02
_LIMIT_SECONDS, _LONG_LIMIT_SECONDS = 240, 2400
"""A fault that takes longer than this has failed: its short form, and its long form."""


class Run:
    """What a fault works with.

    Attributes:
        folder: all files of the run.
        service: the service, once `start` was called.
        chance: the source of everything random.
        long: whether the fault is to have its long form.
        beside_commands: whether flushnumbers and resetnumbers are run beside the load.
        injected: how many times the fault was made to happen.
        figures: what was measured, by name; the table has it, and nothing fails because of it.
        ledgers, command_ledgers: the files that clients and commanders write.
        more_requests: requests besides those in the clients' ledgers.
        resets: resets besides those in the commanders' ledgers.
        cleanup: what is undone at the end.
        replaced: when the fault replaced the database, in seconds of the monotonic clock.
        takes_journals_away: whether the fault does that to journals in use.
        durable_until: what was acknowledged later than this may be lost.
    """

    def __init__(
        self, folder: Path, chance: random.Random, long: bool, beside_commands: bool
    ) -> None:
        self.folder = folder
        self.service: Service
        self.chance = chance
        self.long = long
        self.beside_commands = beside_commands
        self.injected = 0
        self.replaced = -math.inf
        self.takes_journals_away = False
        self.durable_until = math.inf
        self.figures: dict[str, float] = {}
        self.ledgers: list[Path] = []
        self.command_ledgers: list[Path] = []
        self.more_requests: list[Request] = []
        self.resets: list[Reset] = []
        self.cleanup = ExitStack()

    def start(self, **settings: str) -> None:
        """Start the service, with `settings` in its environment."""
        self.service = sabotaged_service(self.folder, **settings)
        self.cleanup.callback(self.service.kill)
        if "DATABASE_URL" in settings:
            self.service.manage("migrate", "-v0")
        self.service.ensure_running()

    @contextmanager
    def load(
        self, *ports: int, clients: int = _CLIENTS, reconnects: float = _RECONNECTS
    ) -> Iterator[list[Path]]:
        """Have clients send increments during the block; all have begun when it begins.

        Args:
            ports: the services to load; none: the run's own, beside commands if these are wanted.
            clients: how many.
            reconnects: how many of a client's requests have a new connection, from 0 to 1.

        Yields the clients' ledgers.
        """
        with ExitStack() as ends:
            begun = []
            if self.beside_commands and not ports:
                ledger = self._ledger(self.command_ledgers, "commands")
                begun.append(ledger)
                ends.enter_context(self.process("tests.torture.commander", ledger))
            ledgers = [self._ledger(self.ledgers, "requests") for _ in range(clients)]
            to = ",".join(map(str, ports or [self.service.port]))
            for ledger in ledgers:
                ends.enter_context(
                    self.process("tests.torture.client", ledger, to, str(reconnects))
                )
            for ledger in begun + ledgers:
                wait_for(partial(has_begun, ledger), f"the first line of {ledger}")
            yield ledgers

    def _ledger(self, ledgers: list[Path], name: str) -> Path:
        ledgers.append(self.folder / f"{name} {len(ledgers)}")
        return ledgers[-1]

    @contextmanager
    def process(self, module: str, ledger: Path, *arguments: str) -> Iterator[None]:
        """Run a module during the block: its arguments are these, something random and a file."""
        command = [sys.executable, "-m", module, *arguments, str(self.chance.random()), str(ledger)]
        with (self.folder / module).open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.service.environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.terminate()
            try:
                code = process.wait(60)
            finally:
                process.kill()
        assert not code, f"{module} failed: {(self.folder / module).read_text()[-2000:]}"

    @contextmanager
    def no_commands(self) -> Iterator[None]:
        """Let no flushnumbers and no resetnumbers run during the block."""
        with ExitStack() as files:
            for ledger in self.command_ledgers:
                file = files.enter_context(ledger.open("rb"))
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def pause(self, least_seconds: float = 0.1, most_seconds: float = 1.0) -> None:
        """Let a random time pass under load, so that a fault comes at a random instant."""
        time.sleep(self.chance.uniform(least_seconds, most_seconds))

    def wait_for_status(self, status: int) -> None:
        """Wait until a request is answered with `status` (0: is not answered)."""
        ends = {ledger: ledger.stat().st_size for ledger in self.ledgers}

        def came() -> bool:
            return any(
                request.status == status
                for ledger, end in ends.items()
                for request in read_requests(ledger, end)
            )

        wait_for(came, f"an answer {status}", seconds=90)

    def wait_for_progress(self) -> None:
        """Wait until increments are acknowledged again."""
        self.wait_for_status(200)

    def settle(self) -> Verdict:
        """Flush everything, twice, and return the worse of two verdicts on the totals.

        Before, each request with an id that got no 200 is sent again until it has one.

        1. `flushnumbers` flushes while the workers run: the first verdict.
        2. The workers end. They must not flush again what they have in memory: the second verdict.
        """
        self.service.ensure_running()
        for request in unanswered(self._requests()):
            self._send_again(request)
        self.service.manage("flushnumbers")
        running = self.service.totals()
        self.service.stop()
        self.service.manage("flushnumbers")
        stopped = self.service.totals()
        resets = [reset for ledger in self.command_ledgers for reset in read_resets(ledger)]
        verdict = judge(
            self._requests() + self.more_requests,
            [running, stopped],
            possible_resets(resets + self.resets, self.replaced),
            self.durable_until,
        )
        # After a reset, or in a database that is older, they may be less. And nobody sees what is
        # in a journal that was taken away, until its process has put it back.
        is_less = self.command_ledgers or self.resets or self.replaced > -math.inf
        if is_less or self.takes_journals_away:
            return verdict
        return replace(verdict, stale=sum(map(count_stale, self.ledgers)))

    def _requests(self) -> list[Request]:
        return [request for ledger in self.ledgers for request in read_requests(ledger)]

    def _send_again(self, request: Request) -> None:
        token = self.service.environment.get("INCREMENT_TOKEN")
        raw = request_of(request.increments, request.id, token and f"Bearer {token}")

        def is_counted() -> bool:
            sent = time.monotonic()
            with closing(Connection(self.service.port)) as connection:
                status = connection.exchange(raw)
            again = replace(request, sent=sent, answered=time.monotonic(), status=status)
            self.more_requests.append(again)
            return status == 200

        wait_for(is_counted, "a request with an id to be answered", seconds=60)


def has_begun(ledger: Path) -> bool:
    return ledger.exists() and ledger.stat().st_size > 0


@dataclass(frozen=True, slots=True)
class Outcome:
    injected: int
    """How many times the fault was made to happen."""
    verdict: Verdict
    figures: dict[str, float]
    """What was measured."""
    failure: str
    """What went wrong, so that there is no verdict; empty where nothing did."""
    folder: Path
    """The folder with all files of the run; it is removed where all went well."""

    @property
    def ok(self) -> bool:
        return not self.failure and not self.verdict.wrong


def perform(
    inflict: Callable[[Run], None], seed: str, long: bool = False, beside_commands: bool = False
) -> Outcome:
    """Make a fault happen to a new service, and return the outcome.

    It ends in time, whatever happens.
    """
    folder = Path(tempfile.mkdtemp(prefix="torture-"))
    run = Run(folder, random.Random(seed), long, beside_commands)
    verdict = Verdict()
    failure = ""
    try:
        with run.cleanup, _limit(_LONG_LIMIT_SECONDS if long else _LIMIT_SECONDS):
            inflict(run)
            verdict = run.settle()
    except Exception as error:
        failure = str(error) if isinstance(error, AssertionError) else repr(error)
        (folder / "failure").write_text(traceback.format_exc())
    outcome = Outcome(run.injected, verdict, run.figures, failure, folder)
    if outcome.ok:
        shutil.rmtree(folder)
    return outcome


@contextmanager
def _limit(seconds: int) -> Iterator[None]:
    """Interrupt the block after so many seconds, also if it waits for something.

    Raises:
        Timeout: the block was interrupted.
    """

    def interrupt(*_: Any) -> None:
        raise Timeout(f"it was not over after {seconds} s")

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
