"""Three services: one answers in its lane, one in asgi.py, one in Django's WSGI handler."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.conformance.ways import TOKEN, WAYS, Services
from tests.testbed.service import Service


@pytest.fixture(scope="session")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A service for each of `WAYS`, with one worker, a token, and a limit of 2,048 bytes."""
    settings = {"WEB_CONCURRENCY": "1", "INCREMENT_TOKEN": TOKEN, "MAX_BODY_BYTES": "2048"}
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(
                Service(tmp_path_factory.mktemp(name), command=command, **settings)
            )
            for name, command in WAYS.items()
        }
