"""Connections of the increment lane that are kept alive, and how they end."""

from __future__ import annotations

import socket
import time
from contextlib import closing, suppress
from http.client import HTTPConnection
from pathlib import Path
from select import select
from threading import Barrier, Thread

import pytest

from tests.testbed.commands import GUNICORN
from tests.testbed.replies import receive_all
from tests.testbed.requests import build_request, connect, talk
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for


def test_keep_alive_ends_idle_connections_and_no_others(tmp_path: Path) -> None:
    settings = ("--keep-alive", "2", "--workers", "1")
    with Service(tmp_path, command=(*GUNICORN, *settings)) as service:
        # The lane remembers this head. Later the same head comes on a connection whose first
        # request was an ordinary one.
        post = build_request(b"key=alive&value=1")
        warm = connect(service.port)
        with closing(warm):
            warm.sendall(post)
            assert warm.recv(65536).startswith(b"HTTP/1.1 200 ")
        busy = HTTPConnection("127.0.0.1", service.port, timeout=30)
        idle = HTTPConnection("127.0.0.1", service.port, timeout=30)
        with closing(busy), closing(idle):
            for client in (busy, idle):
                client.request("GET", "/healthz")
                assert client.getresponse().read()

            def serve_busy() -> None:
                busy.sock.sendall(post)
                assert busy.sock.recv(65536).startswith(b"HTTP/1.1 200 ")

            def idle_has_ended() -> bool:
                serve_busy()
                return bool(select([idle.sock], [], [], 0.1)[0]) and idle.sock.recv(1) == b""

            serve_busy()
            wait_for(idle_has_ended, "the idle connection to be closed")
            end = time.monotonic() + 2  # a wrong timer may close the busy connection now
            while time.monotonic() < end:
                serve_busy()
                time.sleep(0.1)


def test_nothing_counts_behind_a_reply_that_closes(shared_service: Service) -> None:
    """An ordinary request of HTTP/1.0 among increments: its reply closes the connection."""
    before, after = build_request(b"key=before&value=1"), build_request(b"key=behind&value=1")
    closing_request = b"GET /nothing/here HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    with connect(shared_service.port) as connection:
        connection.sendall(before * 40 + closing_request + after * 400)
        with suppress(ConnectionResetError):
            receive_all(connection)
    assert shared_service.request("GET", "/numbers/behind?fresh=1").status == 404


def test_nothing_counts_while_the_reply_before_a_close_waits_for_its_sync(tmp_path: Path) -> None:
    ordinary = build_request(b"key=after&value=1")
    closing_one = build_request(b"key=close&value=1", "Connection: close")
    with Service(tmp_path, WEB_CONCURRENCY="1", JOURNAL_FSYNC="always") as service:
        warm_up = [ordinary.replace(b"after", b"first"), closing_one]  # makes the head known
        talk(service.port, warm_up)
        for _ in range(50):
            with suppress(OSError):  # the service may be gone before the second piece comes
                talk(service.port, [closing_one, ordinary])
        service.stop()
        assert service.totals() == {"first": 1, "close": 51}


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_all_that_counts_while_it_shuts_down_is_answered(tmp_path: Path, fsync: str) -> None:
    one = build_request(b"key=shutdown&value=1")
    pipeline = one * 3000
    begun = Barrier(13)
    answered = []
    with Service(tmp_path, WEB_CONCURRENCY="1", JOURNAL_FSYNC=fsync) as service:

        def send_and_count() -> None:
            with closing(connect(service.port)) as connection:
                connection.sendall(one)
                received = connection.recv(65536)  # so the worker has accepted the connection
                begun.wait()
                sender = Thread(target=send, args=[connection])
                sender.start()
                received += receive_all(connection)
                answered.append(received.count(b"HTTP/1.1 200"))
                connection.shutdown(socket.SHUT_RDWR)
                sender.join()

        def send(connection: socket.socket) -> None:
            with suppress(OSError):
                while True:
                    connection.sendall(pipeline)

        clients = [Thread(target=send_and_count) for _ in range(12)]
        for client in clients:
            client.start()
        begun.wait()
        wait_for(lambda: service.totals().get("shutdown", 0) > 12, "a flush of what they pipeline")
        service.stop()
        for client in clients:
            client.join()
        assert len(answered) == len(clients)  # none was reset
        assert service.totals() == {"shutdown": sum(answered)}
