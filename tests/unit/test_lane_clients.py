"""What the lane answers itself, of what clients send that are not like most.

What it leaves to others is answered with 404 here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from counters.recorder import recorder, stop_recorder
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.limits import Limits
from tests.testbed.lane_client import LaneClient
from tests.testbed.replies import read_replies
from tests.testbed.requests import build_request

BODY = b"key=a&value=1"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
KEEP_ALIVE = "Connection: keep-alive"
EXPECT = "Expect: 100-continue"
OLD = "POST /increment HTTP/1.0"


@pytest.fixture(autouse=True)
def counting(tmp_path: Path, settings: Any) -> Iterator[None]:
    """A new recorder for each test, which flushes nothing."""
    settings.COUNTERS = {
        "JOURNAL_DIR": tmp_path / "journal",
        "FLUSH_INTERVAL": 3600,
        "MAX_BODY_BYTES": 1024,
    }
    stop_recorder()
    yield
    stop_recorder()


async def other(scope: Any, receive: Any, send: Any) -> None:
    """Answer what the lane does not answer."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def play(scene: Callable[[LaneClient], Awaitable[None]]) -> int:
    """Run `scene` with a client of a lane; return what has been counted under the key "a"."""

    async def run() -> None:
        await scene(LaneClient(Lane(Limits()), other))

    asyncio.run(run())
    pending = recorder().state().buffer.pending_keys
    assert pending in (0, 1)
    return pending


def split(request: bytes) -> tuple[bytes, bytes]:
    """Return the head of a request, and its body."""
    head, _, body = request.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


def test_http_1_0_is_answered_and_closed() -> None:
    async def scene(client: LaneClient) -> None:
        received = await client.send(
            build_request(BODY, line=OLD).replace(b"Host: localhost", b"A: b")
        )
        (reply,) = read_replies(received)
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.has_ended

    assert play(scene)


def test_http_1_0_may_keep_the_connection() -> None:
    async def scene(client: LaneClient) -> None:
        for body, status in ((BODY, 200), (BODY, 200), (b"key=a", 400), (BODY, 200)):
            (reply,) = read_replies(await client.send(build_request(body, KEEP_ALIVE, line=OLD)))
            assert (reply.status, reply.headers["connection"]) == (status, "keep-alive")
        (reply,) = read_replies(await client.send(build_request(BODY, line=OLD)))
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert client.has_ended

    assert play(scene)


def test_chunks_in_http_1_0_end_the_connection() -> None:
    async def scene(client: LaneClient) -> None:
        head = build_request(b"", KEEP_ALIVE, "Transfer-Encoding: chunked", line=OLD, framed=False)
        chunked = head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
        (reply,) = read_replies(await client.send(chunked + build_request(BODY)))
        assert (reply.status, reply.headers["connection"]) == (200, "close")

    assert play(scene)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_health_is_answered_without_a_body_to_head(method: str, version: str) -> None:
    async def scene(client: LaneClient) -> None:
        line = f"{method} /readyz HTTP/{version}"
        request = build_request(b"", KEEP_ALIVE, line=line, content_type=None, framed=False)
        for _ in range(2):
            received = await client.send(request)
            assert received.startswith(b"HTTP/1.1 200 ")
            assert b"content-length: 16\r\n" in received
            assert received.endswith(b'{"ready": true}\n' if method == "GET" else b"\r\n\r\n")

    play(scene)


@pytest.mark.parametrize("scheme", ["http", "HTTP", "https"])
def test_an_absolute_target_is_one_of_ours(scheme: str) -> None:
    async def scene(client: LaneClient) -> None:
        line = f"POST {scheme}://counter.example:80/increment?x HTTP/1.1"
        assert [
            reply.status
            for reply in read_replies(await client.send(build_request(BODY, line=line)))
        ] == [200]

    assert play(scene)


def test_the_host_of_an_absolute_target_is_the_one_that_counts(settings: Any) -> None:
    settings.COUNTERS |= {"INCREMENT_ORIGINS": "self"}
    settings.ALLOWED_HOSTS = ["a.example", "b.example"]

    async def scene(client: LaneClient) -> None:
        for target, status in (("a.example", 200), ("b.example", 403)):
            line = f"POST http://{target}/increment HTTP/1.1"
            request = build_request(BODY, "Origin: http://a.example", line=line)
            assert [reply.status for reply in read_replies(await client.send(request))] == [status]

    assert play(scene)


def test_an_absolute_target_without_a_path_is_the_root() -> None:
    async def scene(client: LaneClient) -> None:
        good = build_request(BODY)
        root = build_request(b"", line="GET http://localhost HTTP/1.1", content_type=None)
        received = await client.send(good * 3 + root)
        assert [reply.status for reply in read_replies(received)] == [200, 200, 200, 404]

    assert play(scene)


@pytest.mark.parametrize(
    "target", ["/\xff", "http://", "http:///increment", "ftp://x/increment", "http://a b/", "x:80"]
)
def test_a_target_that_cannot_be_read_is_refused_after_the_replies_that_are_due(
    target: str,
) -> None:
    async def scene(client: LaneClient) -> None:
        good = build_request(BODY)
        received = await client.send(good * 3 + build_request(BODY, line=f"GET {target} HTTP/1.1"))
        assert [reply.status for reply in read_replies(received)] == [200, 200, 200, 400]

    assert play(scene)


def test_a_client_that_waits_before_its_body_is_told_to_send_it() -> None:
    async def scene(client: LaneClient) -> None:
        head, body = split(build_request(BODY, EXPECT))
        for _ in range(2):
            assert await client.send(head) == CONTINUE
            assert [reply.status for reply in read_replies(await client.send(body))] == [200]

    assert play(scene)


def test_it_is_told_after_the_replies_to_what_it_sent_before() -> None:
    async def scene(client: LaneClient) -> None:
        head, body = split(build_request(BODY, EXPECT))
        received = await client.send(build_request(BODY) * 3 + head)
        before, told, after = received.partition(CONTINUE)
        assert [reply.status for reply in read_replies(before)] == [200] * 3
        assert (told, after) == (CONTINUE, b"")
        assert [reply.status for reply in read_replies(await client.send(body))] == [200]

    assert play(scene)


@pytest.mark.parametrize(
    ("body", "token", "status"), [(b"x" * 1025, "", 413), (BODY, "s3cret", 401)]
)
def test_a_body_that_its_head_refuses_is_not_sent(
    body: bytes, token: str, status: int, settings: Any
) -> None:
    settings.COUNTERS |= {"INCREMENT_TOKEN": token}

    async def scene(client: LaneClient) -> None:
        head, _ = split(build_request(body, EXPECT))
        (reply,) = read_replies(await client.send(head))
        assert (reply.status, reply.headers["connection"]) == (status, "close")
        assert client.has_ended

    assert not play(scene)
