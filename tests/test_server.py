"""The whole service: from a POST to the database, through stops, crashes and reloads."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.conftest import StartServer
from tests.load import Load
from tests.programs import needs
from tests.server import GUNICORN, MANAGE, Server, wait_for

NEVER = "3600"
"""A FLUSH_INTERVAL that no test lives to see: what is flushed is flushed for another reason."""

PRELOAD = (*GUNICORN, "--preload")
RUNSERVER = (*MANAGE, "runserver", "--noreload", "{port}")
THREADED_WSGI = (
    *(*GUNICORN, "--config", "python:tests.gthread", "--bind", "127.0.0.1:{port}"),
    "incrementer_site.wsgi:application",
)
WAYS_TO_SERVE = pytest.mark.parametrize(
    "command",
    [GUNICORN, PRELOAD, RUNSERVER, THREADED_WSGI],
    ids=["gunicorn", "preload", "runserver", "threaded WSGI"],
)


@needs("curl")
def test_curl_line_of_the_readme(server: Server) -> None:
    url = f"http://localhost:{server.port}/increment"
    subprocess.run(["curl", "-sf", "-X", "POST", url, "-d", "key=abcdef&value=1"], check=True)
    server.wait_for_totals({"abcdef": 1})


@WAYS_TO_SERVE
def test_every_way_to_serve_counts_exactly(tmp_path: Path, command: Sequence[str]) -> None:
    with Server(tmp_path, command=command) as server:
        with Load(server) as load:
            load.wait_for_more(20_000)
        assert not load.unanswered
        server.wait_for_totals(load.acknowledged)


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
        (RUNSERVER, signal.SIGINT),  # Django's own server does not handle SIGTERM
        (THREADED_WSGI, signal.SIGTERM),
        (THREADED_WSGI, signal.SIGINT),
    ],
)
def test_stop_flushes_first(
    tmp_path: Path, command: Sequence[str], signal_: signal.Signals
) -> None:
    with Server(tmp_path, command=command, FLUSH_INTERVAL=NEVER) as server:
        for _ in range(5):
            server.increment("a")
        if command == THREADED_WSGI:
            # gthread waits for itself where SIGINT finds it handing a request to a thread, and that
            # can be just after the reply; gunicorn kills it then, and the next start recovers.
            wait_for(lambda: all(map(waits_for_events, server.workers())), "idle workers")
        server.stop(signal_)
        assert server.totals() == {"a": 5}
        assert list(server.journal_dir.iterdir()) == []


def test_ctrl_c_in_a_terminal_flushes_first(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    server.increment("a", 5)
    server.stop(signal.SIGINT, to_all=True)
    assert server.totals() == {"a": 5}


def test_stop_under_load_loses_nothing(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    with Load(server) as load:
        load.wait_for_more(10_000)
        assert server.stop() == 0
    load.check(server.totals())


def test_reload_under_load_loses_nothing(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    assert server.process is not None
    with Load(server) as load:
        for _ in range(2):
            old = set(server.workers())
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: not old & set(server.workers()), "new workers", server.log)  # noqa: B023
            load.wait_for_more(10_000)
    server.stop()
    load.check(server.totals())


def test_kill_of_everything_under_load_loses_nothing(server: Server) -> None:
    with Load(server) as load:
        for _ in range(5):
            load.wait_for_more(10_000)
            server.kill()
            server.start()
    server.manage("flushnumbers")
    load.check(server.totals())


def test_kill_of_one_worker_after_the_other_loses_nothing(server: Server) -> None:
    with Load(server) as load:
        for _ in range(5):
            load.wait_for_more(5_000)
            wait_for(lambda: len(server.workers()) == 2, "a new worker", server.log)
            psutil.Process(server.workers()[0]).kill()
    server.manage("flushnumbers")
    load.check(server.totals())


def test_next_start_recovers_what_a_crash_left(start_server: StartServer) -> None:
    server = start_server(FLUSH_INTERVAL=NEVER)
    server.increment("a", 3)
    server.kill()
    assert server.totals() == {}
    server.start()
    server.wait_for_totals({"a": 3})


@pytest.mark.parametrize(("workers", "least"), [(2, 12), (4, 2)])
def test_connections_are_spread_over_the_workers(
    start_server: StartServer, workers: int, least: int
) -> None:
    server = start_server(WEB_CONCURRENCY=str(workers))
    wait_for(lambda: server.log().count("startup complete") == workers, "all workers", server.log)
    processes = [psutil.Process(pid) for pid in server.workers()]

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
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        listening = [
            line for line in lines if line[1].endswith(f":{server.port:04X}") and line[3] == "0A"
        ]
        return sum(int(line[4].partition(":")[2], 16) > 0 for line in listening)

    # All connect before anyone accepts: from one queue, the first to look would take them all.
    for process in processes:
        process.suspend()
    with ExitStack() as stack:
        for _ in range(64):
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
        for process in processes:
            waiting = queues()
            process.resume()
            wait_for(lambda: not waiting or queues() < waiting, "a queue to be empty")  # noqa: B023
        wait_for(lambda: sum(served()) == 64, "all connections to be accepted")
        # The kernel picks a worker by a hash: one has fewer once in a million times.
        assert min(served()) >= least, served()


def test_second_service_on_the_same_port_refuses_to_start(server: Server, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    second = Server(tmp_path / "second", PORT=str(server.port))
    refused = subprocess.run(GUNICORN, env=second.env, capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1
    assert f"Cannot listen on 127.0.0.1:{server.port}" in refused.stderr
    server.increment("still here")


def test_database_locked_by_another_program_stops_no_increment(server: Server) -> None:
    with sqlite3.connect(server.database, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(10):
            server.increment("a")
        other.execute("ROLLBACK")
    server.wait_for_totals({"a": 10})
