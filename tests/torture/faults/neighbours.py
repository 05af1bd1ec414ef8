"""Neighbours that do harm, or much at once: what an ordinary client beside them has to bear.

What they do to it is a figure in the table: nothing here fails because of it.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

import psutil

from tests.testbed.processes import largest_memory_bytes
from tests.testbed.waiting import wait_for
from tests.torture.account import read_requests
from tests.torture.fault import Inflict, fault
from tests.torture.run import Run, has_begun

_NEIGHBOUR = "tests.torture.neighbour"
_SECONDS, _LONG_SECONDS = 15, 60
_LOOK_SECONDS = 0.2
"""From one look at the workers' memory to the next."""


def _beside(kind: str, connections: int, **settings: str) -> Inflict:
    """Return a fault: an ordinary client beside so many connections of `kind`.

    It measures two ordinary clients: one keeps its connection, one makes a new one for each
    request.
    """

    def inflict(run: Run) -> None:
        run.start(FLUSH_INTERVAL="5", **settings)
        ready = run.folder / "ready"
        arguments = str(run.service.port), kind, str(connections)
        with run.process(_NEIGHBOUR, ready, *arguments):
            wait_for(partial(has_begun, ready), "the neighbours to be connected", seconds=120)
            run.injected += connections
            _measure(run)
        statuses = json.loads((run.folder / _NEIGHBOUR).read_text().splitlines()[-1])
        run.figures["neighbours' replies"] = sum(statuses.values())

    return inflict


def _measure(run: Run) -> None:
    with run.load(clients=1, reconnects=0) as kept, run.load(clients=1, reconnects=1) as new:
        until = time.monotonic() + (_LONG_SECONDS if run.long else _SECONDS)
        memory_bytes = 0
        while time.monotonic() < until:
            with suppress(psutil.Error, ValueError):  # a worker may be restarted
                memory_bytes = max(memory_bytes, largest_memory_bytes(run.service.workers()))
            time.sleep(_LOOK_SECONDS)
    run.figures["p99 ms"] = _p99_ms(kept)
    run.figures["p99 ms, new connections"] = _p99_ms(new)
    run.figures["MiB of a worker"] = memory_bytes / 2**20
    run.figures["not 200"] = sum(
        request.status != 200 for ledger in kept + new for request in read_requests(ledger)
    )


def _p99_ms(ledgers: list[Path]) -> float:
    took = sorted(
        request.answered - request.sent for ledger in ledgers for request in read_requests(ledger)
    )
    return 1000 * took[int(0.99 * len(took))]


@fault("no neighbours", "what the figures of the neighbours are to be compared with", alone=True)
def _alone(run: Run) -> None:
    run.start(FLUSH_INTERVAL="5")
    run.injected += 1
    _measure(run)


for _name, _kind, _connections, _settings in [
    ("60 with the worst bodies", "worst bodies", 60, {}),
    ("330 with the worst bodies", "worst bodies", 330, {}),
    ("16 with batches", "batches", 16, {}),
    ("64 that try passwords", "passwords", 64, {}),
    ("1,000 that ask for health", "health", 1000, {}),
    ("4,000 that hold back a last byte", "held back", 4000, {"INCREMENT_TOKEN": "for-tests"}),
    ("60 that pipeline", "pipelined", 60, {}),
]:
    fault(f"neighbours: {_name}", "others are served, and their increments count", alone=True)(
        _beside(_kind, _connections, **_settings)
    )
