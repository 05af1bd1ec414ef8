"""The sockets that workers accept connections from: the master makes them, and keeps them.

A worker that ends takes no connection with it: those that nobody has accepted yet wait in the
socket until the next worker comes. Worker processes have numbers, slots, from 0 on. On Linux, each
TCP address has a socket for each slot, and the kernel spreads new connections over these sockets:
from one that is shared, whichever worker wakes first would take nearly all of a burst. Unix
sockets, and what systemd hands over, are shared.

This knows gunicorn's master (`server`) and its hooks, which gunicorn.conf.py names.
"""

from __future__ import annotations

import socket
import sys
from collections import Counter
from typing import Any

from gunicorn import sock, systemd

Address = tuple[Any, ...] | str
"""Of TCP (host and port), or the path of a Unix socket."""


def listen(server: Any) -> None:
    """Listen on each configured address, unless the master is given its sockets.

    Raises:
        SystemExit: it cannot; a sentence says where and why.
    """
    if server.cfg.reuse_port:
        sys.exit("--reuse-port: leave it out. Each worker has a socket of its own without it.")
    if not (server.master_pid or _is_given_sockets(server)):
        server.LISTENERS = [_listener(address, server) for address in server.address]


def _is_given_sockets(server: Any) -> bool:
    """Whether systemd has made the sockets, or --bind names file descriptors."""
    by_systemd = server.systemd or systemd.listen_fds(unset_environment=False)
    return bool(by_systemd) or any(isinstance(address, int) for address in server.address)


def _listener(address: Address, server: Any) -> Any:
    """Return gunicorn's object for a new socket, on which nobody else listens."""
    try:
        if isinstance(address, str) and _answers(address):
            raise ValueError("another service listens there")
        return sock._sock_type(address)(address, server.cfg, server.log)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        sys.exit(
            f"Cannot listen on {_name(address)}: {reason}."
            " Set HOST and PORT, or --bind, to a free address."
        )


def _name(address: Address) -> str:
    if isinstance(address, str):
        return f"unix:{address}"
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _answers(path: str) -> bool:
    # gunicorn would remove the other service's socket, and make its own.
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def give_sockets(server: Any, worker: Any) -> None:
    """Give a new worker a slot, and the sockets of that slot; of those, none is without a worker.

    While all workers are replaced, two have the same slot for a moment.
    """
    slots = server.num_workers
    workers = Counter(each.slot for each in server.WORKERS.values())
    worker.slot = min(range(slots), key=lambda slot: workers[slot])
    by_address: dict[Address, list[Any]] = {}
    for listener in server.LISTENERS:
        by_address.setdefault(listener.getsockname(), []).append(listener)
    worker.sockets = []
    for listeners in by_address.values():
        if _can_have_more(listeners[0], server):
            more = _others(listeners[0], server, slots - len(listeners))
            listeners += more
            server.LISTENERS += more
        # With 5 sockets, slot 1 of 3 has the sockets 1 and 4; with 2 sockets, slot 2 shares socket
        # 0. (Not gunicorn's objects: these would close once more what uvloop has closed.)
        of_slot = listeners[worker.slot % len(listeners) :: slots]
        worker.sockets += [listener.sock for listener in of_slot]


def _can_have_more(listener: Any, server: Any) -> bool:
    is_tcp = isinstance(listener, sock.TCPSocket)
    return is_tcp and sys.platform == "linux" and not _is_given_sockets(server)


def _others(first: Any, server: Any, count: int) -> list[Any]:
    """Return so many more sockets on the address of `first`, or fewer where the system refuses."""
    others: list[Any] = []
    try:
        while len(others) < count:
            # The first was bound without SO_REUSEPORT, so that it could not be had beside another
            # service. Linux lets it have company from now on.
            first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other = socket.socket(first.FAMILY)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            other.bind(first.getsockname())
            others.append(type(first)(first.getsockname(), server.cfg, server.log, other.detach()))
    except OSError as error:
        server.log.warning("Workers share sockets on %s: %s", first, error.strerror)
    return others


def close_others(server: Any, worker: Any) -> None:
    """Close, in a new worker, the sockets of the other slots: it would keep them open."""
    for listener in server.LISTENERS:
        if listener.sock not in worker.sockets:
            listener.close()


def replace_workers(server: Any, workers: int, before: int | None) -> None:
    """Start as many workers anew as there are to be, where there are to be fewer: on SIGTTOU.

    The new ones have the sockets of all slots. Then gunicorn ends the oldest, which are too many.
    """
    if before is None or workers >= before:
        return
    # On SIGHUP gunicorn replaces all workers itself: they still have the configuration before.
    if any(worker.cfg is server.cfg for worker in server.WORKERS.values()):
        for _ in range(workers):
            server.spawn_worker()


def prepare_upgrade(server: Any) -> None:
    """See that SIGUSR2 starts a new master as this one was started; called in its process.

    Where systemd has made the sockets, refuse it: systemd knows the old master only, and would end
    the new one with it.

    Raises:
        SystemExit: they are systemd's.
    """
    if server.systemd:
        server.log.warning(
            "SIGUSR2 is refused: systemd has made the sockets. Restart with systemctl instead;"
            " connections wait in them meanwhile."
        )
        sys.exit(1)
    # gunicorn would make a path of `python -m gunicorn`, which does not work.
    server.START_CTX["args"] = [sys.executable, *sys.orig_argv[1:]]
