"""Requests in pieces, in chunks and after a close are understood alike each way."""

from __future__ import annotations

import pytest

from tests.conformance.ways import (
    GOOD,
    Services,
    answers,
    flushed_totals,
    in_chunks,
    request,
    same_totals,
    send_each_way,
)
from tests.testbed.requests import connect, talk


def test_a_request_may_be_split_anywhere(ways: Services) -> None:
    lane, expected = ways["lane"], {}
    for key, raw in {
        "SPF": request(GOOD, "Connection: close"),
        "SPP": request() + request(GOOD, "Connection: close"),
    }.items():
        sent, times = raw.replace(b"KEY", key.encode()), raw.count(b"POST")
        for at in range(1, len(sent)):
            found = answers(talk(lane.port, [sent[:at], sent[at:]]))
            assert [answer[0] for answer in found] == [200] * times, at
        expected[key] = 3 * times * (len(sent) - 1)
    totals = flushed_totals(lane)
    assert {key: totals[key] for key in expected} == expected


def test_a_request_may_arrive_byte_by_byte(ways: Services) -> None:
    for key, raw in {"BYF": request(), "BYC": in_chunks(GOOD[:4], GOOD[4:])}.items():
        sent = raw.replace(b"KEY", key.encode())
        found = send_each_way(ways, key, [sent[i : i + 1] for i in range(len(sent))])
        assert [answer[0] for answer in found] == [200]
    same_totals(ways, {"BYF": 3, "BYC": 3}, "BYC")


def test_blanks_around_a_host_are_none_of_it(ways: Services) -> None:
    head = b"Host: localhost\r\n"
    raw = [
        request().replace(head, b"Host:" + host + b"\r\n") for host in (b"\tx \t", b"x\t", b" x")
    ]
    found = send_each_way(ways, "HOS", raw)
    assert [answer[0] for answer in found] == [200] * len(raw)
    same_totals(ways, {"HOS": 3 * len(raw)})


def test_nothing_after_a_close_is_answered_or_counted(ways: Services) -> None:
    close = request(GOOD, "Connection: close")
    cases = {
        "CLO": (close, 200),
        "OLD": (request(line="POST /increment HTTP/1.0"), 200),
        "CLB": (request(b"key=", "Connection: close"), 400),
        "CLP": (close + request() + request(), 200),
        "CPC": (close + b"nonsense\r\n\r\n", 200),
    }
    for key, (raw, status) in cases.items():
        for service in ways.values():
            found = answers(talk(service.port, [raw.replace(b"KEY", key.encode())]))
            assert [answer[0] for answer in found] == [status], key
    same_totals(ways, {key: 3 * (status == 200) for key, (_, status) in cases.items()})


@pytest.mark.parametrize(
    "codings",
    [
        ["Transfer-Encoding: gzip, chunked"],
        ["transfer-encoding: Deflate", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: br, chunked"],  # gunicorn itself refuses one that it does not know
    ],
)
def test_a_compressed_body_is_refused(ways: Services, codings: list[str]) -> None:
    coded = in_chunks(b"key=COD&value=3").replace(
        b"Transfer-Encoding: chunked", "\r\n".join([*codings, "Connection: close"]).encode()
    )
    for name, service in ways.items():
        assert [answer[0] for answer in answers(talk(service.port, [coded]))] == [501], name
    same_totals(ways, {"COD": 0})


def test_expect_100_continue_is_answered_with_100(ways: Services) -> None:
    raw = request(b"key=EXP&value=3", "Expect: 100-continue", "Connection: close")
    for service in ways.values():
        with connect(service.port) as client:
            head, _, body = raw.partition(b"\r\n\r\n")
            client.sendall(head + b"\r\n\r\n")
            assert client.recv(65536).startswith(b"HTTP/1.1 100 Continue\r\n")
            client.sendall(body)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    same_totals(ways, {"EXP": 3})
