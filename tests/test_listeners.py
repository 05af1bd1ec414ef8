"""Where the service listens, and that no connection is refused or lost while workers change."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from tests.testbed.commands import GUNICORN, run
from tests.testbed.new_connections import NewConnections
from tests.testbed.ports import free_port, listening_sockets
from tests.testbed.replies import Reply, read_replies, receive_all
from tests.testbed.requests import LANE, connect, increment
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for


def masters(service: Service) -> list[int]:
    """Return the process IDs of those that have started others."""
    found = []
    for pid in service.processes():
        with suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).children():
                found.append(pid)
    return found


def signal_and_wait(
    service: Service, signal_: signal.Signals, pid: int, *, starts: int = 0, ends: int = 0
) -> None:
    """Send a signal; return once so many workers have started after it, and so many have ended."""

    def counts() -> tuple[int, int]:
        log = service.log()
        return log.count("startup complete"), log.count("Finished server process")

    # One that is told to end before it has started says nothing of its end.
    wait_for(lambda: counts()[0] >= service.log().count("Booting worker"), "all to have started")
    started, ended = counts()
    goals = started + starts, ended + ends
    service.send_signal(signal_, [pid])
    wait_for(
        lambda: all(now >= then for now, then in zip(counts(), goals, strict=True)),
        f"{starts} workers to start and {ends} to end",
        service.log,
    )


def reload(service: Service, workers: int) -> None:
    signal_and_wait(service, signal.SIGHUP, service.pid, starts=workers, ends=workers)


def end_one_worker(service: Service, workers: int) -> None:
    signal_and_wait(service, signal.SIGTERM, service.workers()[0], starts=1, ends=1)


def more_and_fewer_workers(service: Service, workers: int) -> None:
    signal_and_wait(service, signal.SIGTTIN, service.pid, starts=1)
    signal_and_wait(service, signal.SIGTTOU, service.pid, starts=workers, ends=workers + 1)


def upgrade(service: Service, workers: int) -> None:
    signal_and_wait(service, signal.SIGUSR2, service.pid, starts=workers)
    signal_and_wait(service, signal.SIGQUIT, service.pid, ends=workers)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "change", [reload, end_one_worker, more_and_fewer_workers, upgrade], ids=lambda c: c.__name__
)
def test_no_connection_is_refused_while_workers_change(
    start_service: StartService, workers: int, change: Callable[[Service, int], None]
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY=str(workers))
    with NewConnections.to_port(service.port) as load:
        for _ in range(1 if change is upgrade else 2):
            change(service, workers)
            load.wait_for_more(500)
    assert load.failures == []
    service.send_signal(signal.SIGTERM, masters(service))
    service.wait_until_gone()
    assert service.totals() == load.acknowledged


@pytest.mark.parametrize("workers", [1, 2])
def test_no_connection_is_refused_with_max_requests(
    start_service: StartService, workers: int
) -> None:
    command = (*GUNICORN, "--max-requests", "1000")
    service = start_service(command=command, WEB_CONCURRENCY=str(workers))
    with NewConnections.to_port(service.port) as load:
        load.wait_for_more(1000 * (workers + 2))
    assert load.failures == []
    assert service.log().count("Maximum request limit") >= 2
    service.stop()
    assert service.totals() == load.acknowledged


def test_what_waits_for_a_killed_worker_is_the_next_ones(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    (worker,) = service.workers()
    psutil.Process(worker).suspend()
    with ExitStack() as stack:
        waiting = [stack.enter_context(connect(service.port)) for _ in range(20)]
        for connection in waiting:
            connection.sendall(increment(LANE, "a", close=True))
        service.send_signal(signal.SIGKILL, [worker])
        for connection in waiting:
            (reply,) = read_replies(receive_all(connection))
            assert reply.status == 200
    service.wait_for_totals({"a": 20})


def test_client_that_has_just_connected_is_answered_at_a_stop(service: Service) -> None:
    """Its request comes on the connection that a worker has already accepted."""
    with ExitStack() as stack:
        connections = [stack.enter_context(connect(service.port)) for _ in range(20)]
        wait_for(lambda: not any(each.unread for each in listening_sockets(service.port)), "accept")
        service.send_signal(signal.SIGTERM)
        wait_for(lambda: service.log().count("Shutting down\n") == 2, "the shutdown", service.log)
        for connection in connections:
            connection.sendall(increment(LANE, "a"))
        for connection in connections:
            (reply,) = read_replies(receive_all(connection))
            assert reply.status == 200
            assert reply.headers["connection"] == "close"
    service.wait_until_gone()
    assert service.totals() == {"a": 20}


def ask_path(path: Path) -> Reply:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(path))
        connection.sendall(increment(LANE, "unix", close=True))
        (reply,) = read_replies(receive_all(connection))
    return reply


def test_several_addresses_are_served_and_named(
    start_service: StartService, tmp_path: Path
) -> None:
    path, port, port6 = tmp_path / "i.sock", free_port(), free_port()
    binds = (f"unix:{path}", f"127.0.0.1:{port}", f"[::1]:{port6}")
    command = [*GUNICORN, *(f"--bind={bind}" for bind in binds)]
    service = start_service(command=command, PORT=str(port))
    where = f"Listening at: unix:{path},http://127.0.0.1:{port},http://[::1]:{port6} ("
    assert where in service.log()
    service.increment("v4")
    with socket.create_connection(("::1", port6)) as connection:
        connection.sendall(increment(LANE, "v6", close=True))
        assert read_replies(receive_all(connection))[0].status == 200
    assert ask_path(path).status == 200
    service.wait_for_totals({"v4": 1, "v6": 1, "unix": 1})

    def open_connection() -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(30)
        connection.connect(str(path))
        return connection

    with NewConnections(open_connection) as load:
        reload(service, 2)
    assert load.failures == []
    service.stop()
    assert not path.exists()
    assert service.totals() == {"v4": 1, "v6": 1, "unix": 1, **load.acknowledged}


@pytest.mark.parametrize("kind", ["TCP", "Unix"])
def test_second_service_on_an_address_is_refused(
    start_service: StartService, tmp_path: Path, kind: str
) -> None:
    """Whatever HOST and PORT say: what counts is where gunicorn listens."""
    port = free_port()
    taken = f"127.0.0.1:{port}" if kind == "TCP" else f"unix:{tmp_path / 'i.sock'}"
    binds = {f"127.0.0.1:{port}", taken}
    command = [*GUNICORN, *(f"--bind={bind}" for bind in binds)]
    service = start_service(command=command, PORT=str(port))
    second = Service(tmp_path / "second")
    said = run([*GUNICORN, "--bind", taken], second.environment, code=1, timeout_seconds=60)
    assert f"Cannot listen on {taken}: " in said
    assert "Traceback" not in said
    service.increment("still here")
    if kind == "Unix":
        assert ask_path(tmp_path / "i.sock").status == 200


def test_socket_that_is_handed_over_outlives_a_restart(start_service: StartService) -> None:
    """As systemd's socket activation does it: while the service restarts, connections wait."""
    port = free_port()
    command = [GUNICORN[0], "-m", "tests.testbed.activate", str(port), *GUNICORN]
    # HOST and PORT are not looked at: an address that is not there does no harm.
    service = start_service(command=command, PORT=str(port), HOST="127.0.0.1")
    with NewConnections.to_port(port) as load:
        (master,) = (pid for pid in masters(service) if pid != service.pid)
        service.send_signal(signal.SIGUSR2, [master])
        service.wait_for_log("SIGUSR2 is refused: systemd has made the sockets.")
        signal_and_wait(service, signal.SIGTERM, master, starts=2, ends=2)
        load.wait_for_more(500)
    assert load.failures == []
    (master,) = (pid for pid in masters(service) if pid != service.pid)
    service.send_signal(signal.SIGTERM, [service.pid, master])
    service.wait_until_gone()
    assert service.totals() == load.acknowledged


def test_start_and_stop_log_nothing_that_looks_like_an_error(service: Service) -> None:
    assert service.request("GET", "/static/admin/css/base.css").status == 200
    service.stop()
    log = service.log()
    assert f"Listening at: http://127.0.0.1:{service.port} (" in log
    for word in ("error", "warning", "traceback", "exception"):
        assert word not in log.lower()


def test_tls_is_refused(tmp_path: Path) -> None:
    service = Service(tmp_path, command=(*GUNICORN, "--certfile", "cert.pem"))
    with pytest.raises(AssertionError, match="speaks no TLS"):
        service.start()


def test_reuse_port_is_refused(tmp_path: Path) -> None:
    environment = Service(tmp_path).environment
    assert "--reuse-port: leave it out" in run([*GUNICORN, "--reuse-port"], environment, code=1)


def test_a_service_without_workers_is_refused(tmp_path: Path) -> None:
    environment = Service(tmp_path).environment
    said = run([*GUNICORN, "-w", "0"], environment, code=1, timeout_seconds=30)
    assert "--workers is 0" in said
