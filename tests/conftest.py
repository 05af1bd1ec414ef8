"""Fixtures: the service, started for one test or shared by many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from tests.server import Server


class StartServer(Protocol):
    def __call__(self, **settings: str) -> Server: ...


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Start the service with the given settings; what runs at the end of the test is killed."""
    with ExitStack() as stack:

        def start(**settings: str) -> Server:
            server = Server(tmp_path, **settings)
            stack.callback(lambda: print(server.log()))  # pytest shows it when the test fails
            return stack.enter_context(server)

        yield start


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """The service, with two workers."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service for tests that only send requests, each with keys of its own."""
    with Server(tmp_path_factory.mktemp("shared")) as server:
        yield server
