"""Ends of a program that go wrong: what the client could not send is in the log, all of it."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.client_programs import client_process, run_client
from tests.testbed.stand_in import StandIn


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A service that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


@pytest.mark.parametrize(
    ("number", "code", "rc"),
    [
        (signal.SIGTERM, "counter.increment('paid', 100); counter.close()", 0),
        (signal.SIGINT, "counter.increment('paid', 100); counter.close()", -signal.SIGINT),
        (signal.SIGINT, "counter.increment('paid', 100)", 0),
    ],
    ids=["SystemExit in close", "Ctrl-C in close", "Ctrl-C at exit"],
)
def test_an_interrupted_end_says_what_it_could_not_send(
    silent: socket.socket, tmp_path: Path, number: signal.Signals, code: str, rc: int
) -> None:
    beginning = """
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
counter = Counter(url, interval_seconds=3600, exit_seconds=1)
"""
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with client_process(tmp_path, beginning + code, url=url) as program:
        connection = silent.accept()[0]
        connection.recv(1)  # the end has begun
        program.send_signal(number)
        assert program.wait_until_gone() == rc
        assert '[{"key":"paid","value":100}]' in program.log()
        assert "Nothing is lost" not in program.log()


def test_an_interrupted_close_goes_on_at_the_end(silent: socket.socket, tmp_path: Path) -> None:
    code = "counter = Counter(url); counter.increment('a'); counter.close()"
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    with client_process(tmp_path, code, url=url) as program:
        connection = silent.accept()[0]
        connection.recv(1)
        program.send_signal(signal.SIGINT)
        program.wait_for_log("KeyboardInterrupt")
        connection.close()  # so it has to be sent again
        connection = silent.accept()[0]
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}')
        assert program.wait_until_gone() == -signal.SIGINT
        assert "not known" not in program.log()


def test_the_end_waits_for_a_close_in_a_daemon_thread() -> None:
    code = """
counter = Counter(url, interval_seconds=3600, batch_keys=10)
for i in range(1000):
    counter.increment(f"key:{i}")
threading.Thread(target=counter.close, args=(3600,), daemon=True).start()
"""
    with StandIn() as stand_in:
        run_client(code, url=stand_in.url)
        assert sum(stand_in.totals.values()) == 1000


def test_the_end_does_not_give_a_close_in_a_thread_more_time_than_it_has(
    silent: socket.socket,
) -> None:
    code = """
counter = Counter(url, exit_seconds=0.1)
counter.increment("paid", 100)
threading.Thread(target=counter.close, args=(3600,), daemon=True).start()
"""
    said = run_client(code, url=f"http://127.0.0.1:{silent.getsockname()[1]}")
    assert '[{"key":"paid","value":100}]' in said


def test_a_disk_that_is_too_slow_for_the_end_has_the_log_say_each_amount(tmp_path: Path) -> None:
    code = """
os.fsync = lambda fd: time.sleep(3600)
counter = Counter("http://127.0.0.1:1", spool=spool, batch_keys=2, exit_seconds=0.1)
for i in range(9):
    counter.increment(f"key:{i}", i)
"""
    said = run_client(code, spool=str(tmp_path / "spool"))
    assert all(said.count(f'{{"key":"key:{i}","value":{i}}}') == 1 for i in range(9)), said
