"""What Django answers takes few threads, and keeps no increment waiting."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from tests.testbed.admin import LOGIN_PATH, login_request
from tests.testbed.commands import STALLED
from tests.testbed.replies import ReplyReader, read_replies, receive_all
from tests.testbed.requests import ORDINARY, build_request, connect, increment, talk
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

FEW = 12
"""More threads than a worker has for Django, with those of its own; far fewer than its clients."""
WAITING = 64
"""How many requests may wait for a place."""


def threads(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/task").iterdir()))


@pytest.fixture
def one_worker(start_service: StartService) -> Service:
    return start_service(WEB_CONCURRENCY="1")


def has_reply(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(100, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


def test_many_logins_at_once_take_few_threads_and_increments_count_meanwhile(
    one_worker: Service,
) -> None:
    (worker,) = one_worker.workers()
    login = login_request(one_worker, "10.0.0.1")
    with ExitStack() as stack:
        clients = []
        for number in range(3 * WAITING):
            client = stack.enter_context(closing(connect(one_worker.port)))
            client.sendall(login.replace(b"10.0.0.1", b"10.0.0.%d" % (number % 250)))
            clients.append(client)
        for _ in range(50):
            one_worker.increment("a")
            assert threads(worker) <= FEW
        refused_at_once = 5.0  # those that wait get their 503 after ten seconds
        wait_for(
            lambda: sum(map(has_reply, clients)) >= WAITING, "refusals", seconds=refused_at_once
        )
        statuses = []
        for client in filter(has_reply, clients):
            client.setblocking(True)
            reply = ReplyReader(client.makefile("rb")).next()
            assert reply is not None
            statuses.append(reply.status)
            if reply.status == 503:
                assert int(reply.headers["retry-after"]) > 0
                assert reply.json()["error"]
        assert set(statuses) <= {200, 503}
        assert statuses.count(503) >= WAITING
    # The others have left, so they wait no more: one that comes now is not behind sixty others.
    last = login.replace(b"Host:", b"Connection: close\r\nHost:")

    def is_served() -> bool:
        (reply,) = read_replies(talk(one_worker.port, [last]))
        return reply.status == 200

    wait_for(is_served, "a place", seconds=6)
    one_worker.wait_for_totals({"a": 50})


def test_many_pages_at_once_take_few_threads(one_worker: Service) -> None:
    (worker,) = one_worker.workers()
    page = build_request(b"", line=f"GET {LOGIN_PATH} HTTP/1.1")
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(one_worker.port))) for _ in range(200)]
        for client in clients:
            client.sendall(page)
        while not all(map(has_reply, clients)):
            assert threads(worker) <= FEW
            one_worker.increment("a")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_health_checks_take_no_thread(one_worker: Service, version: str) -> None:
    (worker,) = one_worker.workers()
    before = threads(worker)
    raw = build_request(b"", line=f"GET /healthz HTTP/{version}") * (1 if version == "1.0" else 5)
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(one_worker.port))) for _ in range(300)]
        for client in clients:
            client.sendall(raw)
            assert threads(worker) <= before
        for client in clients:
            reply = ReplyReader(client.makefile("rb")).next()
            assert reply is not None
            assert reply.status == 200
        assert threads(worker) <= before


def test_increments_that_miss_the_lane_take_no_thread_while_they_wait_for_the_disk(
    start_service: StartService, tmp_path: Path
) -> None:
    stall = tmp_path / "stall"
    service = start_service(
        command=STALLED, JOURNAL_FSYNC="always", STALL=str(stall), WEB_CONCURRENCY="1"
    )
    service.increment("before")
    (worker,) = service.workers()
    before = threads(worker)
    stall.touch()
    with ExitStack() as stack:
        clients = [stack.enter_context(closing(connect(service.port))) for _ in range(200)]
        for client in clients:
            client.sendall(increment(ORDINARY, "a"))
        assert service.request("GET", "/healthz").status == 200  # all have been read before
        assert threads(worker) <= before
        assert not any(map(has_reply, clients))
        stall.unlink()
        for client in clients:
            client.setblocking(True)
            reply = ReplyReader(client.makefile("rb")).next()
            assert reply is not None
            assert reply.status == 200
        assert threads(worker) <= before
    service.wait_for_totals({"before": 1, "a": 200})


def test_slow_clients_hold_no_place(one_worker: Service) -> None:
    page = build_request(b"", line=f"POST {LOGIN_PATH} HTTP/1.1", framed=False)
    script = build_request(b"", line="GET /static/admin/js/vendor/xregexp/xregexp.js HTTP/1.1")
    with ExitStack() as stack:
        for _ in range(20):
            sender = stack.enter_context(closing(connect(one_worker.port)))
            sender.sendall(page.removesuffix(b"\r\n") + b"Content-Length: 10\r\n\r\nhalf")
            reader = stack.enter_context(closing(socket.socket()))
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect(("127.0.0.1", one_worker.port))
            reader.sendall(script * 20)
        for _ in range(5):
            assert one_worker.request("GET", LOGIN_PATH, timeout_seconds=10).status == 200


def test_a_body_that_is_too_long_for_django_is_refused(start_service: StartService) -> None:
    service = start_service(MAX_BODY_BYTES="2048")
    reply = service.request("POST", LOGIN_PATH, b"a=" + b"x" * 100_000, {"Cookie": "csrftoken=a"})
    assert reply.status in (400, 403), reply
    with connect(service.port) as connection:
        raw = build_request(
            b"a=" + b"x" * 100_000, "Connection: close", line="POST /nothing HTTP/1.1"
        )
        connection.sendall(raw)
        (reply,) = read_replies(receive_all(connection))
    assert reply.status == 404
