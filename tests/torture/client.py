"""One client: sends increments until SIGTERM, and writes down what became of each.

    python -m tests.torture.client PORT SEED LEDGER

A ledger has one line of JSON for each request: when it was sent, when it was answered, the status
(0: no answer came) and its increments. Values are 1 and -1, so that the account counts increments;
a key that begins with "-" gets only -1, so that none makes up for the loss of another.
"""

from __future__ import annotations

import json
import random
import socket
import sys
import time
from typing import TextIO

from tests.torture.until_sigterm import until_sigterm

KEYS = 50
_PAUSE = 0.001
"""Seconds between requests: the faults are what is tested here, not the speed."""
_LONGEST_WAIT = 30
"""Seconds after which a reply is not waited for any more: longer than the longest stop."""


def main(port: int, seed: str, ledger: TextIO) -> None:
    chance = random.Random(seed)
    connection: socket.socket | None = None
    for _ in until_sigterm():
        time.sleep(_PAUSE)
        if connection is None:
            try:
                connection = socket.create_connection(("127.0.0.1", port), timeout=_LONGEST_WAIT)
            except OSError:
                continue
        increments, request = _request(chance)
        sent = time.monotonic()
        status = _exchange(connection, request)
        ledger.write(json.dumps([sent, time.monotonic(), status, increments]) + "\n")
        ledger.flush()
        if not status or chance.random() < 0.02:  # a new connection may reach another worker
            connection.close()
            connection = None


def _request(chance: random.Random) -> tuple[list[tuple[str, int]], bytes]:
    """Return the increments of a request, and the request: a form, or now and then a batch."""
    batch = chance.random() < 0.1
    increments = []
    for _ in range(chance.randint(2, 100) if batch else 1):
        key = chance.choice(("", "-")) + f"key {chance.randrange(KEYS)} ä"
        increments.append((key, -1 if key.startswith("-") else 1))
    if batch:
        kind = "application/json"
        body = json.dumps([{"key": key, "value": value} for key, value in increments])
    else:
        kind = "application/x-www-form-urlencoded"
        body = f"key={increments[0][0]}&value={increments[0][1]}"
    head = f"POST /increment HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: "
    data = body.encode()
    return increments, head.encode() + b"%d\r\n\r\n" % len(data) + data


def _exchange(connection: socket.socket, request: bytes) -> int:
    """Send a request and return the status of its reply; 0 if it did not come, or not whole."""
    try:
        connection.sendall(request)
        head, body = connection.recv(65536), b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return 0
            head += more
        head, _, body = head.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        while len(body) < length:
            more = connection.recv(65536)
            if not more:
                return 0
            body += more
    except OSError:
        return 0
    return int(head.split(b" ", 2)[1])


if __name__ == "__main__":
    with open(sys.argv[3], "w") as ledger:
        main(int(sys.argv[1]), sys.argv[2], ledger)
