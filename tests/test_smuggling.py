"""Requests that can be read in two ways: no hidden request in them counts."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.testbed.replies import receive_until_silence, statuses
from tests.testbed.requests import CHUNKED, LANE, connect
from tests.testbed.service import Service, StartService

# Bytes that two servers in a row may read in two ways. Example: a request has two Content-Lengths.
# A proxy goes by the second: INNER is a part of the body. The server behind it goes by the first:
# the body ends after OUTER, and INNER is a request that the proxy has not seen.
INNER = LANE + b"Content-Length: 17\r\n\r\nkey=inner&value=1"
OUTER = b"key=outer&value=1"
CHUNKED_OUTER = b"11\r\n" + OUTER + b"\r\n0\r\n\r\n"
SMUGGLING = {
    "Content-Length and Transfer-Encoding": LANE
    + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % len(CHUNKED_OUTER + INNER)
    + CHUNKED_OUTER
    + INNER,
    "Transfer-Encoding and Content-Length": LANE
    + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n"
    + CHUNKED_OUTER
    + INNER,
    "two Content-Lengths": LANE
    + b"Content-Length: 17\r\nContent-Length: %d\r\n\r\n" % (17 + len(INNER))
    + OUTER
    + INNER,
    "a list of Content-Lengths": LANE + b"Content-Length: 17, 17\r\n\r\n" + OUTER + INNER,
    "Content-Length with a sign": LANE + b"Content-Length: +17\r\n\r\n" + OUTER + INNER,
    "Content-Length in hexadecimal": LANE + b"Content-Length: 0x11\r\n\r\n" + OUTER + INNER,
    "a space before the colon": LANE + b"Content-Length : 17\r\n\r\n" + OUTER + INNER,
    "a line folded": LANE + b"X: a\r\n Content-Length: 17\r\n\r\n" + OUTER + INNER,
    "bare LF": LANE.replace(b"\r\n", b"\n") + b"Content-Length: 17\n\n" + OUTER + INNER,
    "bare CR": LANE + b"X: a\rContent-Length: 17\r\n\r\n" + INNER,
    "NUL in a header": LANE + b"X: a\0b\r\nContent-Length: 17\r\n\r\n" + OUTER + INNER,
    "chunked in disguise": LANE + b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED_OUTER + INNER,
    "a chunk's size that is none": LANE + CHUNKED + b"zz\r\n" + OUTER + b"\r\n0\r\n\r\n" + INNER,
    "a chunk's size that is too large": LANE
    + CHUNKED
    + b"fffffffffffffffff1\r\n"
    + OUTER
    + b"\r\n0\r\n\r\n"
    + INNER,
    "a chunk longer than its size": LANE + CHUNKED + b"5\r\n" + OUTER + b"\r\n0\r\n\r\n" + INNER,
}


def test_no_second_request_is_smuggled_in(shared_service: Service) -> None:
    keys = {}
    for number, (name, request) in enumerate(SMUGGLING.items()):
        key = f"{number:05}"  # as long as the key `inner`, in whose place it is sent
        keys[key] = name
        with closing(connect(shared_service.port)) as connection:
            connection.sendall(request.replace(b"key=inner", b"key=" + key.encode()))
            assert 500 not in statuses(receive_until_silence(connection)), name
    shared_service.manage("flushnumbers")
    assert [keys[key] for key in shared_service.totals() if key in keys] == []


def test_trailers_are_not_read_as_headers(start_service: StartService) -> None:
    service = start_service(INCREMENT_TOKEN="s3cret")
    chunked = LANE + b"Transfer-Encoding: chunked\r\n"
    token = b"Authorization: Bearer s3cret\r\n"
    body = CHUNKED_OUTER.removesuffix(b"\r\n")
    for request_, status in {
        chunked + b"\r\n" + body + token + b"\r\n": 401,
        chunked + token + b"\r\n" + body + b"Content-Type: text/plain\r\n\r\n": 200,
    }.items():
        with closing(connect(service.port)) as connection:
            connection.sendall(request_)
            assert statuses(receive_until_silence(connection))[0] == status


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("cut", [0, 10, 23])
def test_a_request_to_upgrade_the_protocol_is_answered_as_any_other(
    shared_service: Service, version: bytes, cut: int
) -> None:
    # Java's HTTP client and `curl --http2` send such requests.
    key = f"upgrade {version.decode()} {cut}"
    body = b"key=%s&value=1" % key.encode()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    head = LANE.replace(b"1.1", version) + upgrade + b"Content-Length: %d\r\n\r\n" % len(body)
    with closing(connect(shared_service.port)) as connection:
        connection.sendall(head + body[:cut])
        connection.sendall(body[cut:])
        assert statuses(receive_until_silence(connection)) == [200]
    shared_service.manage("flushnumbers")
    assert shared_service.totals()[key] == 1


@pytest.mark.parametrize("version", [b"", b" HTTP/0.9", b" HTTP/2.0"])
def test_other_versions_of_http_are_refused(shared_service: Service, version: bytes) -> None:
    with closing(connect(shared_service.port)) as connection:
        connection.sendall(INNER.replace(b" HTTP/1.1", version))
        assert set(statuses(receive_until_silence(connection))) == {400}


def test_a_second_content_type_is_not_chosen_for_an_empty_first(shared_service: Service) -> None:
    with closing(connect(shared_service.port)) as connection:
        connection.sendall(INNER.replace(b"Content-Type", b"Content-Type:\r\nContent-Type"))
        assert statuses(receive_until_silence(connection)) == [400]


def test_connect_is_refused(shared_service: Service) -> None:
    with closing(connect(shared_service.port)) as connection:
        connection.sendall(b"CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n" + INNER)
        assert set(statuses(receive_until_silence(connection))) == {400}
