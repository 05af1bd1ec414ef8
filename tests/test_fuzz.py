"""Unlikely bytes, sent to the real socket, do no harm, and the account is right.

`STREAMS=100000 SEED=7 pytest tests/test_fuzz.py --timeout 3600` sends more, and other ones.
"""

from __future__ import annotations

import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import pytest

from tests.fuzz.account import Account
from tests.fuzz.obvious import Request, Unjudged, read_requests
from tests.fuzz.streams import draw_stream, split
from tests.testbed.replies import ReplyReader
from tests.testbed.requests import REQUEST_SECONDS, connect
from tests.testbed.service import Service, StartService

STREAMS = int(os.environ.get("STREAMS", "2000"))
SEED = os.environ.get("SEED", "")
PATIENCE_SECONDS = REQUEST_SECONDS / 2
"""How long a reply or a close may take; the service waits twice as long for a slow request."""


def _converse(service: Service, pieces: list[bytes], requests: list[Request]) -> list[int | None]:
    """Send `pieces`; return the status of the reply to each of `requests`, and of later replies."""
    with (
        connect(service.port, PATIENCE_SECONDS) as connection,
        connection.makefile("rb") as stream,
    ):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(ConnectionError):  # the service may close before it has read everything
            for piece in pieces:
                connection.sendall(piece)
        reader = ReplyReader(stream)
        replies = [reader.next(request.method) for request in requests]
        statuses = [reply.status if reply else None for reply in replies]
        with suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
        while reply := reader.next():
            statuses.append(reply.status)
    return statuses


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_no_bytes_do_harm(start_service: StartService, fsync: str) -> None:
    service = start_service(JOURNAL_FSYNC=fsync)
    workers = service.workers()
    account = Account()

    def send(number: int) -> None:
        chance = Random(f"{SEED} {number}")
        stream = draw_stream(chance, key=f"{number:08}")
        pieces = split(chance, stream)
        try:
            requests = read_requests(stream)
            account.note(requests, _converse(service, pieces, requests))
        except Unjudged:
            pass
        except Exception as error:
            error.add_note(f"SEED={SEED}, stream {number}: {pieces}")
            raise

    with ThreadPoolExecutor(8) as clients:
        for _ in clients.map(send, range(STREAMS)):
            pass
    assert account.acknowledged > STREAMS / 10
    service.increment("the end")
    service.manage("flushnumbers")
    totals = service.totals()
    assert totals.pop("the end") == 1
    account.check(totals)
    assert service.workers() == workers
    assert "Traceback" not in service.log()
