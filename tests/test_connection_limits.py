"""Connections: how many there may be, how long they may be idle, and how they end at a stop."""

from __future__ import annotations

import signal
from contextlib import ExitStack, closing, suppress

import psutil
import pytest

from tests.testbed.commands import IMPATIENT_CONNECTIONS
from tests.testbed.replies import ReplyReader, is_closed, read_replies, receive_all
from tests.testbed.requests import LANE, ORDINARY, chunked, connect, framed, increment
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for


def test_a_connection_that_asks_nothing_is_closed(start_service: StartService) -> None:
    service = start_service(GUNICORN_CMD_ARGS="--keep-alive 2", WEB_CONCURRENCY="1")
    with ExitStack() as stack:
        idle = [stack.enter_context(closing(connect(service.port))) for _ in range(3)]
        for connection, head in zip(idle[1:], (LANE, ORDINARY), strict=True):
            connection.sendall(increment(head, "one"))
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        wait_for(lambda: all(is_closed(connection) for connection in idle), "all to be closed")


def test_connections_over_the_limit_are_refused_and_others_are_served(impatient: Service) -> None:
    with ExitStack() as stack:
        held = [
            stack.enter_context(closing(connect(impatient.port)))
            for _ in range(IMPATIENT_CONNECTIONS)
        ]
        replies_to_held = ReplyReader(stack.enter_context(held[0].makefile("rb")))
        for head in (LANE, ORDINARY):
            for _ in range(50):
                with closing(connect(impatient.port)) as refused:
                    refused.sendall(increment(head, "refused"))
                    (reply,) = read_replies(receive_all(refused))
                    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
            held[0].sendall(increment(head, "held"))
            answered = replies_to_held.next()
            assert answered is not None
            assert answered.status == 200
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


def test_refused_connections_do_not_pile_up(impatient: Service) -> None:
    held = psutil.Process(impatient.workers()[0]).num_fds
    with ExitStack() as stack:
        for _ in range(4 * IMPATIENT_CONNECTIONS):
            last = stack.enter_context(closing(connect(impatient.port)))
        wait_for(lambda: is_closed(last), "the last connection to be refused")
        assert held() < 2 * IMPATIENT_CONNECTIONS + 100
        wait_for(lambda: held() < IMPATIENT_CONNECTIONS + 100, "the refused to be closed")


@pytest.mark.parametrize("fsync", ["everysec", "always"])
def test_requests_that_have_begun_before_a_stop_are_answered_and_count(
    start_service: StartService, fsync: str
) -> None:
    service = start_service(WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER, JOURNAL_FSYNC=fsync)
    with ExitStack() as stack:
        idle = stack.enter_context(closing(connect(service.port)))
        under_way = []
        for head in (LANE, ORDINARY):
            for end in (framed(b"key=under way&value=1"), chunked(b"key=under way&value=1")):
                connection = stack.enter_context(closing(connect(service.port)))
                at = len(head + end) - 10
                connection.sendall((head + end)[:at])
                under_way.append((connection, (head + end)[at:]))
        service.increment("before")  # once it is answered, the halves above have been read
        service.send_signal(signal.SIGTERM)
        wait_for(lambda: is_closed(idle), "the stop to begin")
        too_late = increment(LANE, "too late") + increment(ORDINARY, "too late")
        for connection, rest in under_way:
            connection.sendall(rest + too_late)
            (reply,) = read_replies(receive_all(connection))
            assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert service.wait_until_gone() == 0
    assert service.totals() == {"before": 1, "under way": 4}
