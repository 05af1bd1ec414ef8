"""Ports and TCP connections of this machine, as Linux shows them."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_LISTEN = "0A"


def free_port() -> int:
    """Return a port that nobody listens on.

    It is below those that the system gives to outgoing connections, so that none of these can take
    it while a service is down for a restart.
    """
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class TcpSocket(NamedTuple):
    local_port: int
    remote_port: int
    is_listening: bool
    unsent: int
    """Bytes that the other side has not confirmed yet."""
    unread: int
    """Bytes that the program has not read yet; of a listening socket, connections to accept."""


def tcp_sockets() -> Iterator[TcpSocket]:
    """Yield every IPv4 socket of this machine."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, state, queues, *_ = line.split()
        local_port, remote_port = (int(end.partition(":")[2], 16) for end in (local, remote))
        unsent, unread = (int(length, 16) for length in queues.split(":"))
        yield TcpSocket(local_port, remote_port, state == _LISTEN, unsent, unread)


def listening_sockets(port: int) -> list[TcpSocket]:
    """Return the sockets that listen on `port`: with SO_REUSEPORT each worker has one."""
    return [each for each in tcp_sockets() if each.is_listening and each.local_port == port]
