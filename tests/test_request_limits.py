"""Requests that are too long or too slow are refused, in the increment lane and outside it."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.testbed.commands import IMPATIENT_SECONDS, STALLED
from tests.testbed.processes import largest_memory_bytes
from tests.testbed.replies import ReplyReader, is_closed, receive_all, statuses
from tests.testbed.requests import (
    CHUNKED,
    LANE,
    ORDINARY,
    build_request,
    chunked,
    connect,
    framed,
    increment,
    talk,
)
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

MIB = 1024 * 1024
EACH_WAY = pytest.mark.parametrize("head", [LANE, ORDINARY], ids=["lane", "ordinary"])


def test_a_head_has_a_limit(impatient: Service) -> None:
    with closing(connect(impatient.port)) as connection:
        connection.sendall(LANE)
        for _ in range(1000):
            connection.sendall(b"X: " + b"x" * 1020 + b"\r\n")
        assert statuses(receive_all(connection)) == [431]
    impatient.increment("others")


def test_a_request_that_takes_too_long_is_cut_off(impatient: Service) -> None:
    with ExitStack() as stack:
        slow = set()
        for head in (LANE, ORDINARY):
            for begin in (b"X", b"Content-Length: 5000\r\n\r\n", CHUNKED + b"1388\r\n"):
                connection = stack.enter_context(closing(connect(impatient.port)))
                connection.sendall(head + begin)
                slow.add(connection)

        def all_are_cut_off() -> bool:
            for connection in list(slow):
                with suppress(OSError):
                    connection.send(b"x")
                if is_closed(connection):
                    slow.discard(connection)
            return not slow

        wait_for(all_are_cut_off, "slow senders to be cut off", seconds=10 * IMPATIENT_SECONDS)


def test_a_body_without_end_fills_no_memory(impatient: Service) -> None:
    before = largest_memory_bytes(impatient.workers())
    with ExitStack() as stack:
        endless = []
        for head in (LANE, ORDINARY):
            for begin, piece in (
                (b"Content-Length: 100000000000\r\n\r\n", b"x" * MIB),
                (CHUNKED, b"100000\r\n" + b"x" * MIB + b"\r\n"),
            ):
                connection = stack.enter_context(closing(connect(impatient.port)))
                endless.append(connection)
                connection.sendall(head + begin)
                for _ in range(64):
                    connection.sendall(piece)
        assert largest_memory_bytes(impatient.workers()) < before + 32 * MIB
        wait_for(lambda: all(is_closed(connection) for connection in endless), "all to be cut off")


def test_a_disk_that_stalls_fills_no_memory(tmp_path: Path) -> None:
    stall = tmp_path / "stall"
    service = Service(
        tmp_path,
        command=STALLED,
        STALL=str(stall),
        JOURNAL_FSYNC="always",
        FLUSH_INTERVAL=NEVER,
        WEB_CONCURRENCY="1",
    )
    with service, closing(connect(service.port)) as connection:
        service.increment("a")
        worker = psutil.Process(service.workers()[0])
        before = worker.memory_info().rss
        stall.touch()
        for _ in range(60):
            connection.sendall(LANE + framed(b"key=a&value=1&x=" + b"x" * 1_000_000))
        assert worker.memory_info().rss - before < 20_000_000
        stall.unlink()
        replies = ReplyReader(connection.makefile("rb"))
        for _ in range(60):
            reply = replies.next("POST")
            assert reply is not None
            assert reply.status == 200
        service.stop()
        assert service.totals() == {"a": 61}


@EACH_WAY
def test_a_body_too_long_leaves_the_connection_usable(impatient: Service, head: bytes) -> None:
    body = b"key=long&value=1&x=" + b"x" * 65536
    with closing(connect(impatient.port)) as connection:
        connection.sendall(head + framed(body) + head + chunked(body))
        connection.sendall(increment(head, "after", close=True))
        assert statuses(receive_all(connection)) == [413, 413, 200]


def test_a_head_is_remembered_without_its_body(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    before = largest_memory_bytes(service.workers())
    with closing(connect(service.port)) as connection:
        for length in range(60_000, 60_500):  # each has a head of its own, which is remembered
            connection.sendall(LANE + framed(b"key=a&value=1&x=" + b"x" * length))
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")
    assert largest_memory_bytes(service.workers()) < before + 15 * MIB


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_what_came_before_a_bad_request_is_answered(
    start_service: StartService, fsync: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1", JOURNAL_FSYNC=fsync)
    lane = {"none": [], "lane": [LANE]}
    mixed = {"other": [ORDINARY], "mix": [LANE, ORDINARY] * 2}
    bad_chunks = [head + CHUNKED + b"z\r\n" for head in (LANE, ORDINARY)]
    bad_target = b"GET http://user@x/ HTTP/1.1\r\nHost: x\r\n\r\n"
    long_target = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 70_000)
    expected = Counter[str]()
    for bad, good in [
        (b"nonsense\r\n\r\n", lane | mixed),
        (bad_target, lane | mixed),
        (long_target, lane),
        *((bad_chunk, lane | mixed) for bad_chunk in bad_chunks),
    ]:
        for name, heads in good.items():
            requests = b"".join(increment(head, name) for head in heads) + bad
            for pieces in [requests], [requests[:-3], requests[-3:]]:
                with closing(connect(service.port)) as connection:
                    for piece in pieces:
                        connection.sendall(piece)
                        service.increment("between")  # once it is answered, the piece has been read
                    *answered, refused = statuses(receive_all(connection))
                    assert answered == [200] * len(heads), (name, bad)
                    assert refused in (400, 431), (name, bad)
                expected.update([name] * len(heads) + ["between"] * len(pieces))
    service.wait_for_totals(dict(expected))
    assert "Traceback" not in service.log()


@pytest.mark.parametrize("line", ["POST /increment HTTP/1.0", "PUT /increment HTTP/1.1"])
def test_a_refusal_is_not_lost_with_a_long_body(start_service: StartService, line: str) -> None:
    service = start_service(WEB_CONCURRENCY="1", INCREMENT_TOKEN="token")
    request = build_request(b"x" * MIB, "Connection: close", line=line)
    for _ in range(20):
        assert statuses(talk(service.port, [request])) == [405 if "PUT" in line else 401]


def test_a_refused_login_is_not_lost_with_a_long_body(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    line = "POST /admin/login/ HTTP/1.1"
    request = build_request(b"x" * MIB, "Connection: close", line=line)
    answered = [statuses(talk(service.port, [request])) for _ in range(20)]
    assert answered == [[403]] * 10 + [[429]] * 10
