"""Limits on clients hold in the increment lane as they do outside it."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from select import select

import psutil
import pytest

from tests.conftest import StartServer
from tests.impatient_gunicorn import CONNECTIONS, DEADLINE
from tests.server import FORM, GUNICORN, Server, wait_for

IMPATIENT = (*GUNICORN, "--config", "tests/impatient_gunicorn.py")
MIB = 1024 * 1024
HANG = 30
"""Seconds after which a test gives up."""

# An increment, and the same at a path that the lane leaves to the ordinary way.
LANE = f"POST /increment HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\n".encode()
ORDINARY = LANE.replace(b"/increment", b"/%69ncrement")
EACH_WAY = pytest.mark.parametrize("head", [LANE, ORDINARY], ids=["lane", "ordinary"])
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker with little patience."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    folder = tmp_path_factory.mktemp("impatient")
    with Server(folder, command=IMPATIENT, WEB_CONCURRENCY="1", MAX_BODY_BYTES="65536") as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def framed(body: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes) -> bytes:
    return CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def increment(head: bytes, key: str, close: bool = False) -> bytes:
    body = b"key=%s&value=1" % key.encode()
    return head + (b"Connection: close\r\n" if close else b"") + framed(body)


def connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=HANG)


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed it; what came before is thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65536):
            pass
    except BlockingIOError:
        return False
    except ConnectionResetError:
        pass
    return True


def reply_of(connection: socket.socket) -> bytes:
    """Return all that comes until the server closes.

    Raises:
        ConnectionResetError: it did so in a way that may cost the client the reply.
    """
    received = b""
    while more := connection.recv(65536):
        received += more
    return received


def statuses(replies: bytes) -> list[int]:
    return [int(reply.split()[0]) for reply in replies.split(b"HTTP/1.1 ")[1:]]


def memory(server: Server) -> int:
    """The worker's, in bytes."""
    return max(int(psutil.Process(pid).memory_info().rss) for pid in server.workers())


# Replies

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
    """Send as much as the server takes while its replies are not read; return how much."""
    connection.setblocking(False)
    sent = 0
    while sent < len(data) and select([], [connection], [], 1)[1]:
        sent += connection.send(data[sent : sent + MIB])
    return sent


@MANY_REQUESTS
def test_a_client_that_reads_no_replies_is_read_no_further_and_cut_off(
    impatient: Server, request_: bytes, times: int
) -> None:
    before = peak = memory(impatient)
    data = request_ * times
    sent = 0
    with closing(connect(impatient)) as connection:
        connection.setblocking(False)

        def is_cut_off() -> bool:
            nonlocal peak, sent
            peak = max(peak, memory(impatient))
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
    impatient: Server, request_: bytes, times: int
) -> None:
    data = request_ * times + increment(LANE, "last", close=True)
    with closing(connect(impatient)) as connection:
        sent = send_until_it_takes_no_more(connection, data)
        assert sent < len(data)
        received = bytearray()
        end = time.monotonic() + HANG
        while time.monotonic() < end:
            readable, writable, _ = select([connection], [connection][: sent < len(data)], [], HANG)
            if writable:
                sent += connection.send(data[sent : sent + MIB])
            if readable:
                more = connection.recv(MIB)
                if not more:
                    break
                received += more
        assert received.count(b"HTTP/1.1 ") == times + 1
        assert received.endswith(b'{"ok":true}\n')


def test_a_client_that_leaves_its_last_replies_unread_is_cut_off(start_server: StartServer) -> None:
    args = "--config tests/impatient_gunicorn.py --keep-alive 2"
    server = start_server(GUNICORN_CMD_ARGS=args, WEB_CONCURRENCY="1")
    request = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % LONG_PATH
    with ExitStack() as stack:

        def ask(times: int) -> socket.socket:
            connection = stack.enter_context(closing(socket.socket()))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(request * times)
            return connection

        reply = len(server.request("GET", LONG_PATH.decode()).body)
        idle = psutil.Process(server.workers()[0]).num_fds()
        first = ask(150)  # more than the kernel holds, so that the rest waits in the worker
        held = 0

        def is_full() -> bool:
            nonlocal held
            before, held = held, in_the_kernel(server, first)
            return 0 < before == held

        wait_for(is_full, "the kernel's buffers to be full")
        for more in (1, 2):  # a little more than the kernel holds: not enough for a pause
            ask(held // reply + more)
        wait_for(lambda: psutil.Process(server.workers()[0]).num_fds() <= idle, "all to be cut off")


def in_the_kernel(server: Server, connection: socket.socket) -> int:
    """How many bytes of the server's are on their way to where `connection` reads them."""
    client, total = connection.getsockname()[1], 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, _, queues, *_ = line.split()
        ends = [int(end.partition(":")[2], 16) for end in (local, remote)]
        to_send, to_read = (int(length, 16) for length in queues.split(":"))
        if ends == [server.port, client]:
            total += to_send
        elif ends == [client, server.port]:
            total += to_read
    return total


# Requests


def test_a_head_has_a_limit(impatient: Server) -> None:
    with closing(connect(impatient)) as connection:
        connection.sendall(LANE)
        for _ in range(1000):
            connection.sendall(b"X: " + b"x" * 1020 + b"\r\n")
        assert statuses(reply_of(connection)) == [431]
    impatient.increment("others")


def test_a_request_that_takes_too_long_is_cut_off(impatient: Server) -> None:
    with ExitStack() as stack:
        slow = set()
        for head in (LANE, ORDINARY):
            for begin in (b"X", b"Content-Length: 5000\r\n\r\n", CHUNKED + b"1388\r\n"):
                connection = stack.enter_context(closing(connect(impatient)))
                connection.sendall(head + begin)
                slow.add(connection)

        def all_are_cut_off() -> bool:
            for connection in list(slow):
                with suppress(OSError):
                    connection.send(b"x")
                if is_closed(connection):
                    slow.discard(connection)
            return not slow

        wait_for(all_are_cut_off, "slow senders to be cut off", seconds=10 * DEADLINE)


def test_a_body_without_end_fills_no_memory(impatient: Server) -> None:
    before = memory(impatient)
    with ExitStack() as stack:
        endless = []
        for head in (LANE, ORDINARY):
            for begin, piece in (
                (b"Content-Length: 100000000000\r\n\r\n", b"x" * MIB),
                (CHUNKED, b"100000\r\n" + b"x" * MIB + b"\r\n"),
            ):
                connection = stack.enter_context(closing(connect(impatient)))
                endless.append(connection)
                connection.sendall(head + begin)
                for _ in range(64):
                    connection.sendall(piece)
        assert memory(impatient) < before + 32 * MIB
        wait_for(lambda: all(is_closed(connection) for connection in endless), "all to be cut off")


def test_a_disk_that_stalls_fills_no_memory(tmp_path: Path) -> None:
    stall = tmp_path / "stall"
    server = Server(
        tmp_path,
        command=(*GUNICORN, "--config", "tests/stalled_gunicorn.py"),
        STALL=str(stall),
        JOURNAL_FSYNC="always",
        FLUSH_INTERVAL="3600",
        WEB_CONCURRENCY="1",
    )
    with server, closing(connect(server)) as connection:
        server.increment("a")
        worker = psutil.Process(server.workers()[0])
        before = worker.memory_info().rss
        stall.touch()
        for _ in range(60):
            connection.sendall(LANE + framed(b"key=a&value=1&x=" + b"x" * 1_000_000))
        assert worker.memory_info().rss - before < 20_000_000
        stall.unlink()
        replies = b""
        while replies.count(b"HTTP/1.1 200 ") < 60:
            received = connection.recv(65536)
            assert received
            replies += received
        server.stop()
        assert server.totals() == {"a": 61}


@EACH_WAY
def test_a_body_too_long_leaves_the_connection_usable(impatient: Server, head: bytes) -> None:
    body = b"key=long&value=1&x=" + b"x" * 65536
    with closing(connect(impatient)) as connection:
        connection.sendall(head + framed(body) + head + chunked(body))
        connection.sendall(increment(head, "after", close=True))
        assert statuses(reply_of(connection)) == [413, 413, 200]


def test_a_body_is_not_kept_for_when_the_same_head_comes_again(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    before = memory(server)
    with closing(connect(server)) as connection:
        for length in range(60_000, 60_500):  # each has a head of its own, which is remembered
            connection.sendall(LANE + framed(b"key=a&value=1&x=" + b"x" * length))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert memory(server) < before + 15 * MIB


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_what_came_before_a_bad_request_is_answered(start_server: StartServer, fsync: str) -> None:
    server = start_server(WEB_CONCURRENCY="1", JOURNAL_FSYNC=fsync)
    lane = {"none": [], "lane": [LANE]}
    mixed = {"other": [ORDINARY], "mix": [LANE, ORDINARY] * 2}
    bad_chunk = LANE + CHUNKED + b"z\r\n"
    for bad, good in [(b"nonsense\r\n\r\n", lane | mixed), (bad_chunk, lane)]:
        for name, heads in good.items():
            requests = b"".join(increment(head, name) for head in heads) + bad
            for pieces in [requests], [requests[:-3], requests[-3:]]:
                with closing(connect(server)) as connection:
                    for piece in pieces:
                        connection.sendall(piece)
                        server.increment("between")  # once it is answered, the piece has been read
                    assert statuses(reply_of(connection)) == [200] * len(heads) + [400], (name, bad)
    server.wait_for_totals({"lane": 4, "other": 2, "mix": 8, "between": 18})
    assert "Traceback" not in server.log()


# Connections


def test_a_connection_that_asks_nothing_is_closed(start_server: StartServer) -> None:
    server = start_server(GUNICORN_CMD_ARGS="--keep-alive 2", WEB_CONCURRENCY="1")
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(connect(server))) for _ in range(3)]
        for connection, head in zip(idle[1:], (LANE, ORDINARY), strict=True):
            connection.sendall(increment(head, "one"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        wait_for(lambda: all(is_closed(connection) for connection in idle), "all to be closed")


def test_connections_over_the_limit_are_refused_and_others_are_served(impatient: Server) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(closing(connect(impatient))) for _ in range(CONNECTIONS)]
        for head in (LANE, ORDINARY):
            for _ in range(50):
                with closing(connect(impatient)) as refused:
                    refused.sendall(increment(head, "refused"))
                    reply = reply_of(refused)
                    assert statuses(reply) == [503]
                    assert b"\r\nretry-after: 1\r\n" in reply
            held[0].sendall(increment(head, "held"))
            assert statuses(held[0].recv(65536)) == [200]
        for connection in held:
            connection.close()

        def is_back() -> bool:
            with suppress(OSError):
                return impatient.post("key=back&value=1").status == 200
            return False

        wait_for(is_back, "the service to be back")
    impatient.manage("flushnumbers")
    totals = impatient.totals()
    assert (totals["held"], totals["back"], "refused" in totals) == (2, 1, False)


def test_refused_connections_do_not_pile_up(impatient: Server) -> None:
    held = psutil.Process(impatient.workers()[0]).num_fds
    with ExitStack() as stack:
        for _ in range(4 * CONNECTIONS):
            last = stack.enter_context(closing(connect(impatient)))
        wait_for(lambda: is_closed(last), "the last connection to be refused")
        assert held() < 2 * CONNECTIONS + 100
        wait_for(lambda: held() < CONNECTIONS + 100, "the refused to be closed")


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_requests_under_way_at_a_stop_are_answered_and_count(
    start_server: StartServer, fsync: str
) -> None:
    server = start_server(WEB_CONCURRENCY="1", FLUSH_INTERVAL="3600", JOURNAL_FSYNC=fsync)
    assert server.process is not None
    with ExitStack() as stack:
        idle = stack.enter_context(closing(connect(server)))
        under_way = []
        for head in (LANE, ORDINARY):
            for end in (framed(b"key=under way&value=1"), chunked(b"key=under way&value=1")):
                connection = stack.enter_context(closing(connect(server)))
                at = len(head + end) - 10
                connection.sendall((head + end)[:at])
                under_way.append((connection, (head + end)[at:]))
        server.increment("before")  # once it is answered, the halves above have been read
        server.process.send_signal(signal.SIGTERM)
        wait_for(lambda: is_closed(idle), "the stop to begin")
        too_late = increment(LANE, "too late") + increment(ORDINARY, "too late")
        for connection, rest in under_way:
            connection.sendall(rest + too_late)
            reply = reply_of(connection)
            assert statuses(reply) == [200]
            assert b"\r\nconnection: close\r\n" in reply
        assert server.process.wait(60) == 0
    assert server.totals() == {"before": 1, "under way": 4}
