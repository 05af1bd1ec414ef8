"""Replies that a client does not read fill no memory, and keep no connection open for ever."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing, suppress
from select import select

import psutil
import pytest

from tests.testbed.commands import IMPATIENT
from tests.testbed.ports import tcp_sockets
from tests.testbed.processes import largest_memory_bytes
from tests.testbed.requests import LANE, connect, increment
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

MIB = 1024 * 1024
LONG_PATH = b"/" + b"x" * 30_000  # it comes back in the reply
MANY_REQUESTS = pytest.mark.parametrize(
    ("request_", "times"),
    [
        (increment(LANE, "lane"), 150_000),
        (b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % LONG_PATH, 1_000),
    ],
    ids=["lane", "ordinary"],
)


def send_until_it_takes_no_more(connection: socket.socket, data: bytes) -> int:
    """Send as much as the service takes while its replies are not read; return how much."""
    connection.setblocking(False)
    sent = 0
    while sent < len(data) and select([], [connection], [], 1)[1]:
        sent += connection.send(data[sent : sent + MIB])
    return sent


@MANY_REQUESTS
def test_a_client_that_reads_no_replies_is_read_no_further_and_cut_off(
    impatient: Service, request_: bytes, times: int
) -> None:
    before = peak = largest_memory_bytes(impatient.workers())
    data = request_ * times
    sent = 0
    with closing(connect(impatient.port)) as connection:
        connection.setblocking(False)

        def is_cut_off() -> bool:
            nonlocal peak, sent
            peak = max(peak, largest_memory_bytes(impatient.workers()))
            with suppress(BlockingIOError):
                try:
                    sent += connection.send(data[sent : sent + MIB])
                except ConnectionError:
                    return True
            return False

        wait_for(is_cut_off, "the connection to be cut off")
    assert sent < len(data)
    assert peak < before + 32 * MIB
    impatient.increment("others")


@MANY_REQUESTS
def test_a_client_that_reads_its_replies_late_gets_them_all(
    impatient: Service, request_: bytes, times: int
) -> None:
    data = request_ * times + increment(LANE, "last", close=True)
    with closing(connect(impatient.port)) as connection:
        sent = send_until_it_takes_no_more(connection, data)
        assert sent < len(data)
        received, is_open = bytearray(), True
        while is_open:
            to_send = [connection] if sent < len(data) else []
            readable, writable, _ = select([connection], to_send, [], 30)
            assert readable or writable, "the service has stopped in the middle"
            if writable:
                sent += connection.send(data[sent : sent + MIB])
            if readable:
                more = connection.recv(MIB)
                is_open = bool(more)
                received += more
        assert received.count(b"HTTP/1.1 ") == times + 1
        assert received.endswith(b'{"ok":true}\n')


def test_a_client_that_leaves_its_last_replies_unread_is_cut_off(
    start_service: StartService,
) -> None:
    service = start_service(command=(*IMPATIENT, "--keep-alive", "2"), WEB_CONCURRENCY="1")
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % LONG_PATH
    with ExitStack() as stack:

        def ask(times: int) -> socket.socket:
            connection = stack.enter_context(closing(socket.socket()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", service.port))
            connection.sendall(request * times)
            return connection

        reply = len(service.request("GET", LONG_PATH.decode()).body)
        idle = psutil.Process(service.workers()[0]).num_fds()
        first = ask(150)  # its replies are more than the kernel holds: the rest is in the worker
        held = 0

        def is_full() -> bool:
            nonlocal held
            before, held = held, in_the_kernel(service, first)
            return 0 < before == held

        wait_for(is_full, "the kernel's buffers to be full")
        for more in (1, 2):  # a little more than the kernel holds: the worker still reads on
            ask(held // reply + more)
        wait_for(
            lambda: psutil.Process(service.workers()[0]).num_fds() <= idle, "all to be cut off"
        )


def in_the_kernel(service: Service, connection: socket.socket) -> int:
    """Return how many bytes the service has sent on `connection` that were not read yet."""
    client_port, total = connection.getsockname()[1], 0
    for one in tcp_sockets():
        if (one.local_port, one.remote_port) == (service.port, client_port):
            total += one.unsent
        elif (one.local_port, one.remote_port) == (client_port, service.port):
            total += one.unread
    return total
