"""A port for a service that is going to be restarted."""

from __future__ import annotations

import random
import socket


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
