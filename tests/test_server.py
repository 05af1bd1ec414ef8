"""The whole service: from a POST to the database, through stops, crashes and reloads."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.testbed.commands import GUNICORN, PRELOAD, ROOT, RUNSERVER, THREADED_WSGI
from tests.testbed.databases import locked
from tests.testbed.load import Load
from tests.testbed.ports import listening_sockets
from tests.testbed.programs import needs
from tests.testbed.requests import connect
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

WAYS_TO_SERVE = pytest.mark.parametrize(
    "command",
    [GUNICORN, PRELOAD, RUNSERVER, THREADED_WSGI],
    ids=["gunicorn", "preload", "runserver", "threaded WSGI"],
)


@needs("curl")
def test_curl_line_of_the_readme(service: Service) -> None:
    url = f"http://localhost:{service.port}/increment"
    subprocess.run(["curl", "-sf", "-X", "POST", url, "-d", "key=abcdef&value=1"], check=True)
    service.wait_for_totals({"abcdef": 1})


@WAYS_TO_SERVE
def test_every_way_to_serve_counts_exactly(tmp_path: Path, command: Sequence[str]) -> None:
    with Service(tmp_path, command=command) as service:
        with Load(service) as load:
            load.wait_for_more(20_000)
        assert not load.unanswered
        service.wait_for_totals(load.acknowledged)


def waits_for_events(pid: int) -> bool:
    """Whether a process's main thread sleeps in epoll, as the kernel says."""
    return "epoll" in Path(f"/proc/{pid}/wchan").read_text()


@pytest.mark.parametrize(
    ("command", "signal_"),
    [
        (GUNICORN, signal.SIGTERM),
        (GUNICORN, signal.SIGINT),
        (GUNICORN, signal.SIGQUIT),
        (PRELOAD, signal.SIGTERM),
        (RUNSERVER, signal.SIGINT),  # runserver does not handle SIGTERM
        (THREADED_WSGI, signal.SIGTERM),
        (THREADED_WSGI, signal.SIGINT),
    ],
)
def test_stop_flushes_first(
    tmp_path: Path, command: Sequence[str], signal_: signal.Signals
) -> None:
    # Not NEVER: under WSGI, a worker makes its first flush when it is first asked for something.
    with Service(tmp_path, command=command, FLUSH_INTERVAL="600") as service:
        for _ in range(5):
            service.increment("a")
        if command == THREADED_WSGI:
            # If SIGINT comes while gthread hands a request to a thread, it waits for itself for
            # ever. It may still do that just after the reply. Then gunicorn kills it, and only the
            # next start recovers its journal.
            wait_for(lambda: all(map(waits_for_events, service.workers())), "idle workers")
        service.stop(signal_)
        assert service.totals() == {"a": 5}
        assert list(service.journal_dir.iterdir()) == []


def test_ctrl_c_in_a_terminal_flushes_first(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("a", 5)
    service.stop(signal.SIGINT, to_all=True)
    assert service.totals() == {"a": 5}


def test_ctrl_c_flushes_where_the_masters_signal_comes_before_the_terminals(
    start_service: StartService,
) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("a", 5)
    workers = service.workers()
    with connect(service.port):  # it keeps a worker for a second
        service.send_signal(signal.SIGQUIT, workers)
        wait_for(lambda: service.log().count("Shutting down") == 2, "the shutdown", service.log)
        service.send_signal(signal.SIGINT, workers)
    service.stop(signal.SIGINT)
    assert service.totals() == {"a": 5}
    assert "WARNING" not in service.log()


def test_stop_under_load_loses_nothing(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    with Load(service) as load:
        load.wait_for_more(10_000)
        assert service.stop() == 0
    load.check(service.totals())


def test_reload_under_load_loses_nothing(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    with Load(service) as load:
        for _ in range(2):
            old = set(service.workers())
            service.send_signal(signal.SIGHUP)
            wait_for(lambda: not old & set(service.workers()), "new workers", service.log)  # noqa: B023
            load.wait_for_more(10_000)
    service.stop()
    load.check(service.totals())


def test_kill_of_everything_under_load_loses_nothing(service: Service) -> None:
    with Load(service) as load:
        for _ in range(5):
            load.wait_for_more(10_000)
            service.kill()
            service.start()
    service.manage("flushnumbers")
    load.check(service.totals())


def test_kill_of_one_worker_after_the_other_loses_nothing(service: Service) -> None:
    with Load(service) as load:
        for _ in range(5):
            load.wait_for_more(5_000)
            wait_for(lambda: len(service.workers()) == 2, "a new worker", service.log)
            psutil.Process(service.workers()[0]).kill()
    service.manage("flushnumbers")
    load.check(service.totals())


def test_next_start_recovers_what_a_crash_left(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    service.increment("a", 3)
    service.kill()
    assert service.totals() == {}
    service.start()
    service.wait_for_totals({"a": 3})


@pytest.mark.parametrize(("workers", "least"), [(2, 12), (4, 2)])
def test_connections_are_spread_over_the_workers(
    start_service: StartService, workers: int, least: int
) -> None:
    service = start_service(WEB_CONCURRENCY=str(workers))
    wait_for(lambda: service.log().count("startup complete") == workers, "all workers", service.log)
    processes = [psutil.Process(pid) for pid in service.workers()]

    def served() -> list[int]:
        """How many connections each worker has accepted."""
        return [
            Counter(connection.status for connection in process.net_connections("tcp"))[
                psutil.CONN_ESTABLISHED
            ]
            for process in processes
        ]

    def queues() -> int:
        """How many sockets have connections that wait to be accepted."""
        return sum(listening.unread > 0 for listening in listening_sockets(service.port))

    # All clients connect before any worker accepts. If there were only one queue, the first worker
    # that runs again would take all connections.
    for process in processes:
        process.suspend()
    with ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(connect(service.port))
        for process in processes:
            waiting = queues()
            process.resume()
            wait_for(lambda: not waiting or queues() < waiting, "a queue to be empty")  # noqa: B023
        wait_for(lambda: sum(served()) == 64, "all connections to be accepted")
        # The kernel picks a worker by a hash: in one of a million runs, one worker gets fewer.
        assert min(served()) >= least, served()


def test_second_service_on_the_same_port_refuses_to_start(service: Service, tmp_path: Path) -> None:
    second = Service(tmp_path / "second", PORT=str(service.port))
    refused = subprocess.run(
        GUNICORN, env=second.environment, capture_output=True, text=True, timeout=60
    )
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{service.port}" in refused.stderr
    service.increment("still here")


def test_database_locked_by_another_program_stops_no_increment(service: Service) -> None:
    with locked(service.database):
        for _ in range(10):
            service.increment("a")
    service.wait_for_totals({"a": 10})


def test_it_ends_with_the_terminal_that_it_was_started_in(tmp_path: Path) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1")
    process, terminal = pty.fork()
    if not process:
        os.chdir(ROOT)
        os.execvpe(GUNICORN[0], GUNICORN, service.environment)
    try:
        wait_for(lambda: _answers(service), "the service to answer")
        assert service.post("key=a&value=1").status == 200
    finally:
        os.close(terminal)  # as a window or a connection by ssh that is closed
    wait_for(lambda: os.waitpid(process, os.WNOHANG)[0] == process, "the service to end")
    assert service.totals() == {"a": 1}


def _answers(service: Service) -> bool:
    try:
        return service.request("GET", "/healthz").status == 200
    except OSError:
        return False
