"""A client that sends no more still gets its replies: `nc -N`, `socat`, and old libraries do so."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.testbed.commands import GUNICORN
from tests.testbed.replies import receive_all, statuses
from tests.testbed.requests import LANE, ORDINARY, connect, framed, increment
from tests.testbed.service import Service

LATER = LANE + framed(b"key=never whole&value=1")[:-1]
LATER_ORDINARY = ORDINARY + framed(b"key=never whole&value=1")[:-1]
HALF_A_HEAD = LANE[:20]


@pytest.fixture(scope="module", params=["everysec", "always"])
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {"JOURNAL_FSYNC": request.param, "WEB_CONCURRENCY": "1"}
    with Service(tmp_path_factory.mktemp("service"), command=GUNICORN, **settings) as service:
        yield service


def send_and_shut_down(service: Service, sent: bytes) -> list[int]:
    with closing(connect(service.port)) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return statuses(receive_all(connection))


@pytest.mark.parametrize(
    ("heads", "rest"),
    [
        ([LANE], b""),
        ([LANE] * 300, b""),
        ([ORDINARY], b""),
        ([ORDINARY] * 3, b""),
        ([LANE, ORDINARY] * 3, b""),
        ([LANE] * 3, LATER),
        ([LANE] * 3, LATER_ORDINARY),
        ([LANE] * 3, HALF_A_HEAD),
        ([ORDINARY] * 3, LATER),
        ([ORDINARY] * 3, LATER_ORDINARY),
        ([ORDINARY] * 3, HALF_A_HEAD),
        ([LANE, ORDINARY] * 3, LATER_ORDINARY),
        ([LANE, ORDINARY, LANE], LATER_ORDINARY),
    ],
)
def test_all_that_arrived_whole_counts_and_is_answered(
    service: Service, heads: list[bytes], rest: bytes
) -> None:
    sent = b"".join(increment(head, "whole") for head in heads)
    before = _total(service)
    assert send_and_shut_down(service, sent + rest) == [200] * len(heads)
    assert _total(service) == before + len(heads)


@pytest.mark.parametrize("rest", [b"", LATER, LATER_ORDINARY, HALF_A_HEAD])
def test_a_connection_without_a_whole_request_is_closed(service: Service, rest: bytes) -> None:
    assert send_and_shut_down(service, rest) == []


def _total(service: Service) -> int:
    service.manage("flushnumbers")
    totals = service.totals()
    assert "never whole" not in totals
    return totals.get("whole", 0)
