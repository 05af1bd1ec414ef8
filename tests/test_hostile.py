"""Clients that want to do harm do not block other clients, and do not fill the memory."""

from __future__ import annotations

import json
import time
from bisect import bisect
from contextlib import ExitStack, closing, suppress

import pytest

from tests.testbed.commands import IMPATIENT, IMPATIENT_SECONDS
from tests.testbed.processes import largest_memory_bytes
from tests.testbed.requests import CHUNKED, JSON, LANE, REQUEST_SECONDS, connect
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

MIB = 1024 * 1024


def test_clients_that_leave_and_unknown_hosts_leave_no_traceback(service: Service) -> None:
    many = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 20
    for _ in range(20):
        for end in (b"", b"nonsense\r\n\r\n"):
            with closing(connect(service.port)) as connection:
                connection.sendall(many + end)
    assert service.request("GET", "/admin/", headers={"Host": "no such host"}).status == 400
    service.stop()
    assert "Traceback" not in service.log()


def test_slow_senders_are_cut_off_and_others_are_served_meanwhile(impatient: Service) -> None:
    with ExitStack() as stack:
        slow = {stack.enter_context(closing(connect(impatient.port))) for _ in range(1000)}
        for connection in slow:
            connection.setblocking(False)
            connection.send(b"POST /increment HTTP/1.1\r\n")
        began = time.monotonic()
        served = 0
        while slow:
            assert time.monotonic() < began + 10 * IMPATIENT_SECONDS, f"{len(slow)} are still open"
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


def test_line_ends_between_requests_keep_no_connection_open(start_service: StartService) -> None:
    service = start_service(command=(*IMPATIENT, "--keep-alive", "2"))
    with closing(connect(service.port)) as connection:
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
        CHUNKED + b"0\r\nX: ",
        CHUNKED + b"1;",
    ],
    ids=["header", "trailer", "chunk extension"],
)
def test_headers_trailers_and_chunk_extensions_have_a_limit(
    shared_service: Service, begin: bytes
) -> None:
    with closing(connect(shared_service.port)) as connection:
        connection.settimeout(REQUEST_SECONDS / 2)
        with suppress(ConnectionError):  # the service has closed the connection
            connection.sendall(LANE + begin)
            for _ in range(20):
                connection.sendall(b"x" * 10_000)
            while connection.recv(65536):
                pass


def test_a_body_with_very_many_fields_is_answered_in_time(shared_service: Service) -> None:
    fields = {"key": "\\u0061", **{str(n): 0 for n in range(80_000)}, "value": 1}
    body = json.dumps(fields, separators=(",", ":"))
    assert shared_service.post(body, JSON, Connection="close").status == 200


def test_the_deepest_json_that_is_accepted_counts_after_a_crash(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)

    def accepts(depth: int) -> bool:
        body = b'[{"key":"%d","value":1,"x":%s%s}]' % (depth, b"[" * depth, b"]" * depth)
        return service.post(body, JSON).status == 200

    assert not accepts(20_000)
    deepest = bisect(range(20_000), False, key=lambda depth: not accepts(depth)) - 1
    service.kill()
    service.manage("flushnumbers")
    assert service.totals()[str(deepest)] == 1


def test_a_million_keys_are_held_and_not_one_more(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    for start in range(0, 1_000_000, 10_000):
        batch = [{"key": f"user:{n}", "value": 1} for n in range(start, start + 10_000)]
        assert service.post(json.dumps(batch).encode(), JSON).status == 200
    refused = service.post("key=one too many&value=1")
    assert (refused.status, refused.json()["limit"]) == (503, 1_000_000)
    assert "retry-after" in refused.headers
    service.increment("user:7")
    assert largest_memory_bytes(service.workers()) < 400 * MIB
    assert "1000001 increments" in service.manage("flushnumbers")
    assert service.totals()["user:7"] == 2
