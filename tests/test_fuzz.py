"""Bytes that nobody would think of, at the real socket: none does harm, and the account holds.

`STREAMS=100000 SEED=7 pytest tests/test_fuzz.py --timeout 3600` tries more, and others.
"""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import pytest

from tests.conftest import StartServer
from tests.fuzz.account import Account, Replies
from tests.fuzz.obvious import Request, Unjudged, read_requests
from tests.fuzz.streams import draw_stream, split
from tests.server import Server

STREAMS = int(os.environ.get("STREAMS", "2000"))
SEED = os.environ.get("SEED", "")
PATIENCE = 10
"""Seconds that a reply or a close may take; half of what the service gives a slow sender."""


def _converse(server: Server, pieces: list[bytes], requests: list[Request]) -> list[int | None]:
    """Send `pieces`; return the status of each of `requests`, and of what comes after those."""
    address = ("127.0.0.1", server.port)
    with (
        socket.create_connection(address, timeout=PATIENCE) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # the service has read enough
            for piece in pieces:
                connection.sendall(piece)
        replies = Replies(stream)
        statuses = [replies.read_status(request.method) for request in requests]
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while status := replies.read_status("GET"):
            statuses.append(status)
    return statuses


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_no_bytes_do_harm(start_server: StartServer, fsync: str) -> None:
    server = start_server(JOURNAL_FSYNC=fsync)
    workers = server.workers()
    account = Account()

    def send(number: int) -> None:
        chance = Random(f"{SEED} {number}")
        stream = draw_stream(chance, key=f"{number:08}")
        pieces = split(chance, stream)
        try:
            requests = read_requests(stream)
            account.note(requests, _converse(server, pieces, requests))
        except Unjudged:
            pass
        except Exception as error:
            error.add_note(f"SEED={SEED}, stream {number}: {pieces}")
            raise

    with ThreadPoolExecutor(8) as clients:
        for _ in clients.map(send, range(STREAMS)):
            pass
    assert account.acknowledged > STREAMS / 10
    server.increment("the end")
    server.manage("flushnumbers")
    totals = server.totals()
    assert totals.pop("the end") == 1
    account.check(totals)
    assert server.workers() == workers
    assert "Traceback" not in server.log()
