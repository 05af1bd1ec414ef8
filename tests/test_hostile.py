"""Clients that mean harm: nothing hangs or grows, and nothing counts that was not asked for."""

from __future__ import annotations

import json
import resource
import socket
import time
from bisect import bisect
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest

from incrementer_site.lane import REQUEST_DEADLINE
from tests.conftest import StartServer
from tests.impatient_gunicorn import DEADLINE
from tests.server import GUNICORN, JSON, Server, wait_for

IMPATIENT = (*GUNICORN, "--config", "tests/impatient_gunicorn.py")
MIB = 1024 * 1024

# Requests that two servers in a row may read in two ways. What follows the first one's end as some
# would see it, or stands in its body as others would, is an increment of `inner`.
HEAD = b"POST /increment HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
INNER = HEAD + b"Content-Length: 17\r\n\r\nkey=inner&value=1"
OUTER = b"key=outer&value=1"
CHUNKED_OUTER = b"11\r\n" + OUTER + b"\r\n0\r\n\r\n"
SMUGGLING = {
    "Content-Length and Transfer-Encoding": HEAD
    + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(CHUNKED_OUTER + INNER)
    + CHUNKED_OUTER
    + INNER,
    "Transfer-Encoding and Content-Length": HEAD
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    + CHUNKED_OUTER
    + INNER,
    "two Content-Lengths": HEAD
    + b"Content-Length: 17\r\nContent-Length: %d\r\n\r\n" % (17 + len(INNER))
    + OUTER
    + INNER,
    "a list of Content-Lengths": HEAD + b"Content-Length: 17, 17\r\n\r\n" + OUTER + INNER,
    "Content-Length with a sign": HEAD + b"Content-Length: +17\r\n\r\n" + OUTER + INNER,
    "Content-Length in hexadecimal": HEAD + b"Content-Length: 0x11\r\n\r\n" + OUTER + INNER,
    "a space before the colon": HEAD + b"Content-Length : 17\r\n\r\n" + OUTER + INNER,
    "a line folded": HEAD + b"X: a\r\n Content-Length: 17\r\n\r\n" + OUTER + INNER,
    "bare LF": HEAD.replace(b"\r\n", b"\n") + b"Content-Length: 17\n\n" + OUTER + INNER,
    "bare CR": HEAD + b"X: a\rContent-Length: 17\r\n\r\n" + INNER,
    "NUL in a header": HEAD + b"X: a\0b\r\nContent-Length: 17\r\n\r\n" + OUTER + INNER,
    "chunked in disguise": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_OUTER + INNER,
    "a chunk's size that is none": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    + OUTER
    + b"\r\n0\r\n\r\n"
    + INNER,
    "a chunk's size that is too large": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n"
    + OUTER
    + b"\r\n0\r\n\r\n"
    + INNER,
    "a chunk longer than its size": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n5\r\n"
    + OUTER
    + b"\r\n0\r\n\r\n"
    + INNER,
}


@pytest.fixture
def impatient(tmp_path: Path) -> Iterator[Server]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    with Server(tmp_path, command=IMPATIENT) as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def _connect(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=30)


def _memory(server: Server) -> int:
    """The largest worker's, in bytes."""
    return max(int(psutil.Process(pid).memory_info().rss) for pid in server.workers())


def _answers(connection: socket.socket) -> bytes:
    """Return all that comes until the other side closes or falls silent."""
    connection.settimeout(1)
    received = b""
    with suppress(OSError):
        while more := connection.recv(65536):
            received += more
    return received


def test_no_second_request_is_smuggled_in(shared_server: Server) -> None:
    keys = {}
    for number, (name, request) in enumerate(SMUGGLING.items()):
        key = f"{number:05}"  # as long as the one it stands for
        keys[key] = name
        with closing(_connect(shared_server)) as connection:
            connection.sendall(request.replace(b"key=inner", b"key=" + key.encode()))
            assert b" 500 " not in _answers(connection), name
    shared_server.manage("flushnumbers")
    assert [keys[key] for key in shared_server.totals() if key in keys] == []


def test_trailers_do_not_pass_for_headers(start_server: StartServer) -> None:
    server = start_server(INCREMENT_TOKEN="s3cret")
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n"
    token = b"Authorization: Bearer s3cret\r\n"
    body = CHUNKED_OUTER.removesuffix(b"\r\n")
    for request_, status in {
        chunked + b"\r\n" + body + token + b"\r\n": b"401",
        chunked + token + b"\r\n" + body + b"Content-Type: text/plain\r\n\r\n": b"200",
    }.items():
        with closing(_connect(server)) as connection:
            connection.sendall(request_)
            assert _answers(connection).startswith(b"HTTP/1.1 " + status)


def test_clients_that_leave_and_unknown_hosts_leave_no_traceback(server: Server) -> None:
    many = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    for _ in range(20):
        for end in (b"", b"nonsense\r\n\r\n"):
            with closing(_connect(server)) as connection:
                connection.sendall(many + end)
    assert server.request("GET", "/admin/", headers={"Host": "no such host"}).status == 400
    server.stop()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("cut", [0, 10, 23])
def test_a_wish_for_another_protocol_changes_nothing(
    shared_server: Server, version: bytes, cut: int
) -> None:
    # Java's HTTP client and `curl --http2` send such requests.
    key = f"upgrade {version.decode()} {cut}"
    body = b"key=%s&value=1" % key.encode()
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = HEAD.replace(b"1.1", version) + wish + b"Content-Length: %d\r\n\r\n" % len(body)
    with closing(_connect(shared_server)) as connection:
        connection.sendall(head + body[:cut])
        connection.sendall(body[cut:])
        replies = _answers(connection)
    assert (replies.count(b"HTTP/1.1 "), replies.count(b"HTTP/1.1 200 ")) == (1, 1)
    shared_server.manage("flushnumbers")
    assert shared_server.totals()[key] == 1


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
def test_other_versions_of_http_are_refused(shared_server: Server, version: bytes) -> None:
    with closing(_connect(shared_server)) as connection:
        connection.sendall(INNER.replace(b" HTTP/1.1", version))
        replies = _answers(connection)
    assert replies.startswith(b"HTTP/1.1 400 ")
    assert b"200" not in replies


def test_a_second_content_type_is_not_chosen_for_an_empty_first(shared_server: Server) -> None:
    with closing(_connect(shared_server)) as connection:
        connection.sendall(INNER.replace(b"Content-Type", b"Content-Type:\r\nContent-Type"))
        assert _answers(connection).startswith(b"HTTP/1.1 415 ")


def test_there_is_no_way_through(shared_server: Server) -> None:
    with closing(_connect(shared_server)) as connection:
        connection.sendall(b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n" + INNER)
        replies = _answers(connection)
        assert replies.startswith(b"HTTP/1.1 400 ")
        assert b"200" not in replies


def test_slow_senders_are_cut_off_and_others_are_served_meanwhile(impatient: Server) -> None:
    with ExitStack() as stack:
        slow = {stack.enter_context(closing(_connect(impatient))) for _ in range(1000)}
        for connection in slow:
            connection.setblocking(False)
            connection.send(b"POST /increment HTTP/1.1\r\n")
        begun = time.monotonic()
        served = 0
        while slow:
            assert time.monotonic() < begun + 10 * DEADLINE, f"{len(slow)} are still open"
            for connection in list(slow):
                try:
                    connection.send(b"X")  # a header's name that never ends
                    if not connection.recv(1000):
                        slow.discard(connection)
                except BlockingIOError:
                    pass
                except OSError:
                    slow.discard(connection)
            impatient.increment("others")
            served += 1
    impatient.wait_for_totals({"others": served})


def test_line_ends_between_requests_keep_no_connection_open(impatient: Server) -> None:
    impatient.stop()
    impatient.command += ["--keep-alive", "2"]
    impatient.start()
    with closing(_connect(impatient)) as connection:
        connection.settimeout(0.1)

        def is_closed() -> bool:
            try:
                connection.send(b"\r\n")
                return connection.recv(1000) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_for(is_closed, "the connection to be closed")


@pytest.mark.parametrize(
    "begin",
    [
        b"X: ",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
        b"Transfer-Encoding: chunked\r\n\r\n1;",
    ],
    ids=["header", "trailer", "chunk extension"],
)
def test_what_is_no_body_ends_somewhere(shared_server: Server, begin: bytes) -> None:
    with closing(_connect(shared_server)) as connection:
        connection.settimeout(REQUEST_DEADLINE / 2)
        with suppress(ConnectionError):  # it has been refused
            connection.sendall(HEAD + begin)
            for _ in range(20):
                connection.sendall(b"x" * 10_000)
            while connection.recv(65536):
                pass


def test_a_body_of_a_hundred_thousand_fields_holds_nobody_up(shared_server: Server) -> None:
    fields = {"key": "\\u0061", **{str(n): 0 for n in range(80_000)}, "value": 1}
    body = json.dumps(fields, separators=(",", ":"))
    assert shared_server.post(body, JSON, Connection="close").status == 200


def test_what_is_nested_as_deeply_as_is_accepted_counts_later(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", FLUSH_INTERVAL="3600")

    def accepts(depth: int) -> bool:
        body = b'[{"key":"%d","value":1,"x":%s%s}]' % (depth, b"[" * depth, b"]" * depth)
        return server.post(body, JSON).status == 200

    assert not accepts(20_000)
    deepest = bisect(range(20_000), False, key=lambda depth: not accepts(depth)) - 1
    server.kill()
    server.manage("flushnumbers")
    assert server.totals()[str(deepest)] == 1


def test_a_million_keys_are_held_and_not_one_more(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1", FLUSH_INTERVAL="3600")
    for start in range(0, 1_000_000, 10_000):
        batch = [{"key": f"user:{n}", "value": 1} for n in range(start, start + 10_000)]
        assert server.post(json.dumps(batch).encode(), JSON).status == 200
    refused = server.post("key=one too many&value=1")
    assert (refused.status, refused.json()["limit"]) == (503, 1_000_000)
    assert "retry-after" in refused.headers
    server.increment("user:7")
    assert _memory(server) < 400 * MIB
    assert "1000001 increments" in server.manage("flushnumbers")
    assert server.totals()["user:7"] == 2
