"""One client: sends increments until SIGTERM, and writes down what became of each.

    python -m tests.torture.client PORTS RECONNECTS SEED LEDGER

PORTS are separated by commas; each new connection goes to one of them. RECONNECTS says how many of
the requests have a new connection, from 0 to 1. If INCREMENT_TOKEN is set, the requests have the
token.

Half of the requests have an id. Such a request is sent again until it is answered with 200; what is
left of these at the end, the run sends (`account.unanswered`).

Now and then it adds to a key of its own, and asks for that key's fresh total. A second file, which
is named like the ledger with ".reads", has a line for each of these: what the total had to be at
least and at the most, and what it was.

A ledger has one line of JSON for each request: when it was sent, when it was answered, the status
(0: no answer came), its increments, and its id, or an empty one. Values are 1 and -1, so that a sum
says how many increments there are. A key that begins with "-" gets only -1, and other keys only 1:
if a key got both, and one of each was lost, its total would not show it.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import uuid
from collections import deque
from http.client import HTTPException
from typing import TextIO
from urllib.parse import quote_plus

from tests.testbed.replies import Reply, ReplyReader
from tests.testbed.requests import JSON, build_request, connect
from tests.torture.until_sigterm import until_sigterm

KEYS = 50
_IDENTIFIED = 0.5
"""How many of the other requests have an id."""
_AGAIN_SECONDS = 0.2
"""How long a request with an id waits that is sent again, at the least."""
_FRESH = 0.01
"""How many of the requests are for the key of its own."""
_PATIENCE_SECONDS = 10
"""How long a client does not ask for totals after it was told none: while the database is away, it
would wait most of the time, and count little."""
_PAUSE_SECONDS = 0.001
"""The time between requests: this tests faults, and not speed."""
_REPLY_SECONDS = 30
"""How long a client waits for a reply: longer than any fault stops a worker."""


_TOKEN = f"Bearer {os.environ['INCREMENT_TOKEN']}" if "INCREMENT_TOKEN" in os.environ else None


Increments = list[tuple[str, int]]


def main(ports: list[int], reconnects: float, seed: str, ledger: TextIO, reads: TextIO) -> None:
    chance = random.Random(seed)
    own = _OwnKey(seed)
    again: deque[tuple[float, str, Increments]] = deque()
    connection: Connection | None = None
    for _ in until_sigterm():
        time.sleep(_PAUSE_SECONDS)
        sent = time.monotonic()
        if connection is None:
            try:
                connection = Connection(chance.choice(ports))
            except OSError:
                continue
        asks = chance.random() < _FRESH
        id_ = ""
        if asks:
            increments = own.increments()
        elif again and again[0][0] < sent and chance.random() < _IDENTIFIED:
            _, id_, increments = again.popleft()
        else:
            if chance.random() < _IDENTIFIED:
                id_ = str(uuid.UUID(int=chance.getrandbits(128), version=4))
            increments = _increments(chance, "id " if id_ else "")
        status = connection.exchange(request_of(increments, id_, _TOKEN))
        ledger.write(json.dumps([sent, time.monotonic(), status, increments, id_]) + "\n")
        ledger.flush()
        if id_ and status != 200:
            again.append((time.monotonic() + _AGAIN_SECONDS, id_, increments))
        if asks:
            own.note(status)
            if status and (line := own.ask(connection)):
                reads.write(json.dumps(line) + "\n")
                reads.flush()
        if not status or chance.random() < reconnects:  # a new connection may reach another worker
            connection.close()
            connection = None


def _increments(chance: random.Random, prefix: str) -> Increments:
    """Return the increments of a request: one, or now and then a batch."""
    batch = chance.random() < 0.1
    increments = []
    for _ in range(chance.randint(2, 100) if batch else 1):
        key = chance.choice(("", "-")) + f"{prefix}key {chance.randrange(KEYS)} ä"
        increments.append((key, -1 if key.startswith("-") else 1))
    return increments


def request_of(increments: Increments, id_: str, token: str | None) -> bytes:
    """Return the request of some increments, always in the same bytes: a form, or a batch."""
    headers = [f'Idempotency-Key: "{id_}"'] if id_ else []
    if len(increments) > 1:
        body = json.dumps([{"key": key, "value": value} for key, value in increments])
        return build_request(body.encode(), *headers, content_type=JSON, token=token)
    body = f"key={quote_plus(increments[0][0])}&value={increments[0][1]}"
    return build_request(body.encode(), *headers, token=token)


class _OwnKey:
    """A key that no other client has, so that what its total has to be is known."""

    def __init__(self, seed: str) -> None:
        self._key = f"own {seed}"
        self._least = self._most = 0
        self._asks_from = 0.0

    def increments(self) -> Increments:
        return [(self._key, 1)]

    def note(self, status: int) -> None:
        """Note what became of an increment."""
        self._least += status == 200
        self._most += status in (0, 200, 500)

    def ask(self, connection: Connection) -> list[int] | None:
        """Return what the fresh total had to be at least and at the most, and what it was."""
        if time.monotonic() < self._asks_from:
            return None
        line = f"GET /numbers?key={quote_plus(self._key)}&fresh=1 HTTP/1.1"
        reply = connection.exchange_for_reply(build_request(b"", line=line, content_type=None))
        if reply is None or reply.status != 200:
            self._asks_from = time.monotonic() + _PATIENCE_SECONDS
            return None
        return [self._least, self._most, reply.json()["numbers"][0]["value"] or 0]


class Connection:
    """A connection that is kept from one request to the next.

    Raises:
        OSError: nobody listens.
    """

    def __init__(self, port: int) -> None:
        self._socket = connect(port, _REPLY_SECONDS)
        self._stream = self._socket.makefile("rb")
        self._replies = ReplyReader(self._stream)

    def exchange(self, request: bytes) -> int:
        """Send a request and return the status of its reply; 0 if none came, or not a whole one."""
        reply = self.exchange_for_reply(request)
        return reply.status if reply else 0

    def exchange_for_reply(self, request: bytes) -> Reply | None:
        """Send a request and return its reply; None if none came, or not a whole one."""
        try:
            self._socket.sendall(request)
            return self._replies.next("POST")
        except (OSError, HTTPException):
            return None

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


if __name__ == "__main__":
    with open(sys.argv[4], "w") as ledger, open(f"{sys.argv[4]}.reads", "w") as reads:
        ports = [int(port) for port in sys.argv[1].split(",")]
        main(ports, float(sys.argv[2]), sys.argv[3], ledger, reads)
