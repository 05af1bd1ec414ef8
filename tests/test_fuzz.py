"""Bytes that nobody would think of, at the real socket: none does harm, and the account holds.

`STREAMS=100000 SEED=7 pytest tests/test_fuzz.py --timeout 3600` tries more, and others.
"""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from http.client import HTTPResponse
from random import Random
from typing import Any

import pytest

from counters.parsing import MAX_VALUE, MIN_VALUE
from fuzz.obvious import Request, Unjudged, read_requests
from fuzz.streams import draw_stream, split
from tests.conftest import StartServer
from tests.server import Server

STREAMS = int(os.environ.get("STREAMS", "2000"))
SEED = os.environ.get("SEED", "")
PATIENCE = 10
"""Seconds that a reply or a close may take; half of what the service gives a slow sender."""


class Account:
    """The least and the most that each key's total may be."""

    def __init__(self) -> None:
        self._least: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def note(self, request: Request, status: int | None) -> None:
        """Note a request and the status it got, or None where the connection ended before that."""
        if status is not None and status != 200:
            return
        is_sure = request.plain and status == 200
        for key, value in request.increments:
            self._least[key] += value if is_sure else min(value, 0)
            self._most[key] += value if is_sure else max(value, 0)

    def check(self, totals: Mapping[str, int]) -> None:
        assert sum(least > 0 for least in self._least.values()) > STREAMS / 10, "too few count"
        assert totals.keys() <= self._most.keys(), "what nobody asked for counts"
        for key in self._most:
            least = max(self._least[key], MIN_VALUE)
            most = min(self._most[key], MAX_VALUE)
            assert least <= totals.get(key, 0) <= most, f"{key!r}: {least} to {most}"


class _Replies:
    """The replies on a connection; what HTTPResponse needs of a socket, kept open between them."""

    def __init__(self, connection: socket.socket) -> None:
        self._file = connection.makefile("rb")
        self._ended = False

    def makefile(self, _mode: str) -> Any:
        return self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        """Leave it open: HTTPResponse closes after each reply."""

    def read_status(self, method: str) -> int | None:
        """Return the status of the next reply, None where the connection ended instead."""
        try:
            if self._ended:
                self._file.read()
                return None
            reply = HTTPResponse(self, method=method)  # type: ignore[arg-type]
            reply.begin()
            reply.read()
        except ConnectionError:
            return None
        self._ended = reply.will_close
        return reply.status


def _converse(server: Server, pieces: list[bytes], requests: list[Request]) -> list[int | None]:
    """Send `pieces` and return the status of each of `requests`."""
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # the service has read enough
            for piece in pieces:
                connection.sendall(piece)
        replies = _Replies(connection)
        with closing(replies._file):
            statuses = [replies.read_status(request.method) for request in requests]
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
            while status := replies.read_status("GET"):  # to what is no whole request
                assert 400 <= status < 500, status
    return statuses


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_no_bytes_do_harm(start_server: StartServer, fsync: str) -> None:
    server = start_server(JOURNAL_FSYNC=fsync)
    workers = server.workers()

    def send(number: int) -> list[tuple[Request, int | None]]:
        chance = Random(f"{SEED} {number}")
        stream = draw_stream(chance, key=f"{number:08}")
        pieces = split(chance, stream)
        try:
            requests = read_requests(stream)
            outcome = list(zip(requests, _converse(server, pieces, requests), strict=True))
            for request, status in outcome:
                assert status is None or 200 <= status < 500
                if request.plain and status is not None:
                    # h11 lets some pass that the service's parser refuses.
                    assert status in (200, 400) if request.increments else status >= 400, status
        except Unjudged:
            return []
        except Exception as error:
            error.add_note(f"SEED={SEED}, stream {number}: {pieces}")
            raise
        return outcome

    account = Account()
    with ThreadPoolExecutor(8) as clients:
        for outcome in clients.map(send, range(STREAMS)):
            for request, status in outcome:
                account.note(request, status)
    server.increment("the end")
    server.manage("flushnumbers")
    totals = server.totals()
    assert totals.pop("the end") == 1
    account.check(totals)
    assert server.workers() == workers
    assert "Traceback" not in server.log()
