"""Faults of one of two machines that share the totals in PostgreSQL, each with journals of its own.

Their clients go from one to the other. So the tries of a request with an id arrive at both.
"""

from __future__ import annotations

from tests.testbed.postgresql import socket_path, start_postgresql
from tests.testbed.service import Service
from tests.torture.fault import fault
from tests.torture.faults.processes import replace_workers
from tests.torture.orders import sabotaged_service
from tests.torture.proxy import Proxy
from tests.torture.run import Run

_RECONNECTS = 0.2


def _start_two(run: Run) -> tuple[Service, Service, Proxy]:
    """Start the run's service and another one; return both, and the way to their database."""
    server = start_postgresql(run.folder / "postgresql")
    run.cleanup.callback(server.cleanup)
    proxy = Proxy(socket_path(server))
    run.cleanup.callback(proxy.close)
    url = f"postgres://postgres@127.0.0.1:{proxy.port}/postgres"
    run.start(DATABASE_URL=url)
    other = sabotaged_service(run.folder / "other", DATABASE_URL=url)
    run.cleanup.callback(other.kill)
    other.start()
    return run.service, other, proxy


@fault("two nodes: kill -9 of each in turn", "tries that went to both count once", alone=True)
def _kill_each(run: Run) -> None:
    nodes = _start_two(run)[:2]
    with run.load(*(node.port for node in nodes), reconnects=_RECONNECTS):
        for _ in range(4 if run.long else 1):
            for node in nodes:
                run.pause()
                node.kill()
                run.injected += 1
                run.pause()
                node.ensure_running()
                run.wait_for_progress()
    nodes[1].stop()


@fault("two nodes: cut after COMMIT", "a commit whose answer was lost counts once", alone=True)
def _cut(run: Run) -> None:
    one, other, proxy = _start_two(run)
    with run.load(one.port, other.port, reconnects=_RECONNECTS):
        for _ in range(8 if run.long else 2):
            run.pause()
            proxy.cut_next_commit(deliver=True)
            run.injected += 1
            run.wait_for_progress()
    other.stop()


@fault("two nodes: reloads of both", "tries that went to both count once", alone=True)
def _reload(run: Run) -> None:
    nodes = _start_two(run)[:2]
    with run.load(*(node.port for node in nodes), reconnects=_RECONNECTS):
        for _ in range(4 if run.long else 1):
            for node in nodes:
                run.pause()
                replace_workers(node)
                run.injected += 1
                run.wait_for_progress()
    nodes[1].stop()
