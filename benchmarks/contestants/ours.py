"""The Incrementer, from this checkout or another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from benchmarks.contestants.server import WORKERS, Contestant
from tests.testbed.commands import ROOT
from tests.testbed.ports import listening_sockets
from tests.testbed.service import Service

_SETTINGS = {"WEB_CONCURRENCY": str(WORKERS), "FLUSH_INTERVAL": "5"}


def incrementer(
    database: Path | None = None, checkout: Path = ROOT, **settings: str
) -> Callable[[Path], AbstractContextManager[Service]]:
    """Return a start of the Incrementer in `checkout`, on `database` where it is given."""

    @contextmanager
    def start(folder: Path) -> Iterator[Service]:
        # The checkout migrates the database itself: another one may need other tables.
        url = f"sqlite:///{database or folder / 'numbers.db'}"
        service = Service(folder, checkout, **{"DATABASE_URL": url, **_SETTINGS, **settings})
        service.manage("migrate", "-v0")
        workers = int(service.environment["WEB_CONCURRENCY"])
        with service:
            service.wait_until(
                lambda: len(listening_sockets(service.port)) == workers, "every worker to listen"
            )
            yield service

    return start


INCREMENTER = Contestant("Incrementer", incrementer())
INCREMENTER_ALWAYS = Contestant(
    "Incrementer, JOURNAL_FSYNC=always", incrementer(JOURNAL_FSYNC="always")
)
