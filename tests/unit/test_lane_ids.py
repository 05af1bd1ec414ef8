"""The lane and requests with an id: what it remembers of their heads, and what it never takes for
one of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from counters.identified import identified
from counters.increments import Increment
from counters.recorder import recorder, stop_recorder
from counters.web import idempotency
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.limits import Limits
from incrementer_site.lane.request_reader import RequestReader
from tests.testbed.lane_client import LaneClient

LINE, HOST = b"POST /increment HTTP/1.1", b"Host: x"
BODY = b"key=a&value=1"
OTHERS = [b"Content-Type: application/x-www-form-urlencoded", b"Content-Length: %d" % len(BODY)]
Scene = Callable[[Callable[[], LaneClient], Lane], Awaitable[None]]


@pytest.fixture(autouse=True)
def recorded(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[list[object]]:
    """All that is recorded; nothing is flushed."""
    settings.COUNTERS = {"JOURNAL_DIR": tmp_path / "journal", "FLUSH_INTERVAL": 3600}
    stop_recorder()
    all_of_it: list[object] = []
    record = recorder().record

    def note(requests: Sequence[Any]) -> Any:
        all_of_it.extend(requests)
        return record(requests)

    monkeypatch.setattr(recorder(), "record", note)
    yield all_of_it
    stop_recorder()


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """All that the parser was asked to read."""
    read, all_of_it = RequestReader.read, list[bytes]()

    def note(reader: RequestReader, data: bytes) -> None:
        all_of_it.append(data)
        read(reader, data)

    monkeypatch.setattr(RequestReader, "read", note)
    return all_of_it


async def other(scope: Any, receive: Any, send: Any) -> None:
    """Answer instead of Django what the lane does not answer."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def play(scene: Scene, **limits: int) -> None:
    """Run `scene` with a function that connects to a lane with these limits, and the lane."""

    async def run() -> None:
        lane = Lane(Limits(**limits))
        await scene(lambda: LaneClient(lane, other), lane)

    asyncio.run(run())


def request(*lines: bytes, body: bytes = BODY) -> bytes:
    return b"\r\n".join([LINE, HOST, *OTHERS, *lines, b"", body])


def statuses(replies: bytes) -> list[int]:
    return [int(reply.split()[0]) for reply in replies.split(b"HTTP/1.1 ")[1:]]


def test_heads_that_differ_in_their_id_are_known(
    reads: list[bytes], recorded: list[object]
) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        await client.send(request())
        for number in range(50):
            line = (b'Idempotency-Key: "%d"', b"IDEMPOTENCY-KEY:%d ")[number % 2] % number
            assert statuses(await client.send(request(line))) == [200]
        assert statuses(await connect().send(request(b"idempotency-key: other"))) == [200]
        assert statuses(await connect().send(request())) == [200]
        assert (len(lane.known_heads), len(lane.known_identified)) == (1, 1)

    play(scene, max_known_heads=10)
    assert len(reads) == 2
    one = Increment("a", 1)
    ids = [*map(str, range(50)), "other"]
    assert recorded == [one, *(identified(id_, one) for id_ in ids), one]


REFUSED = [
    *(b"Idempotency-Key:", b'Idempotency-Key: "', b"Idempotency-Key: " + b"a" * 65),
    *(b"Idempotency-Key: a,b", b'Idempotency-Key: "a", "b"', b"Idempotency-Key: \xe9"),
    *(b"Idempotency-Key: a\r\nX: y\r\nIDEMPOTENCY-KEY: a",),
]
NOT_PLAIN = [
    *(b'Idempotency-Key: "a\\"b"', b'Idempotency-Key: "a";foo', b"Idempotency-Key: a b"),
]


@pytest.mark.parametrize("line", REFUSED)
def test_what_is_no_id_is_refused_and_not_remembered(line: bytes, recorded: list[object]) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        for before in ([], [request(b"Idempotency-Key: fine")]):
            client = connect()
            await client.send(*before)
            assert statuses(await client.send(request(line), request(line))) == [400, 400]
        assert (len(lane.known_heads), len(lane.known_identified)) == (0, 1)

    play(scene)
    assert len(recorded) == 1


@pytest.mark.parametrize("line", NOT_PLAIN)
def test_what_is_not_plain_is_counted_and_not_remembered(line: bytes) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        assert statuses(await client.send(request(line), request(line))) == [200, 200]
        assert (len(lane.known_heads), len(lane.known_identified)) == (0, 0)

    play(scene)


def test_an_id_that_has_become_too_old_is_refused_though_its_head_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line = b'Idempotency-Key: "01900000-0000-7000-8000-000000000000"'
    made_seconds = 0x019000000000 / 1000

    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        for hours, status in ((0, 200), (23.9, 200), (24.1, 409), (-1.1, 400), (1, 200)):
            now_seconds = made_seconds + hours * 3600
            monkeypatch.setattr(idempotency, "now_seconds", partial(float, now_seconds))
            assert statuses(await client.send(request(line))) == [status]
        assert len(lane.known_identified) == 1

    play(scene)


def test_an_id_with_another_body_is_refused_and_the_others_of_its_turn_are_not() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        line, other_body = b"Idempotency-Key: a", BODY.replace(b"1", b"2")
        assert statuses(await client.send(request(line), request(line))) == [200, 200]
        several = request() + request(line, body=other_body) + request(line)
        replies = await client.send(several)
        assert statuses(replies) == [200, 422, 200]
        assert b'"field": "Idempotency-Key"' in replies

    play(scene)


def test_requests_for_totals_that_have_an_id_push_out_no_head() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        for number in range(3):
            lines = [b"GET /healthz HTTP/1.1", HOST, b"Idempotency-Key: %d" % number, b"", b""]
            assert statuses(await connect().send(b"\r\n".join(lines))) == [200]
        assert not lane.known_heads
        assert not lane.known_identified

    play(scene)


LINES = st.sampled_from(
    [
        *(b"Idempotency-Key: b", b'idempotency-key:"b"', b"Idempotency-Key: b\t ", *NOT_PLAIN),
        *(b"Idempotency-Key : b", b"Idempotency-Key: b\r\n c", b"Idempotency-Key: b\n c"),
        *(b" Idempotency-Key: b", b"X-Idempotency-Key: b", b"Idempotency-Key: b\rX: y"),
        *(b"X: y\nIdempotency-Key: c", b"Idempotency-Key: b\nIdempotency-Key: c", *REFUSED),
        *(b"Content-Length: 1", b"Transfer-Encoding: chunked", b"Connection: close", b"", b" x"),
        *(b"\n", b"\r", b"X: Idempotency-Key: b", b"GET / HTTP/1.1", LINE, HOST, b"X:"),
    ]
)
USUAL = [LINE, HOST, *OTHERS]


@st.composite
def heads(draw: st.DrawFn) -> list[bytes]:
    """Generate the lines of a head: the usual ones with a few others between."""
    lines = [*USUAL]
    for _ in range(draw(st.integers(1, 3))):
        lines.insert(draw(st.integers(0, len(lines))), draw(LINES))
    return lines


@settings(
    derandomize=True,
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(heads(), st.sampled_from([BODY, BODY[:-1], BODY + b"0", b"", request()]))
@example([b"", b"Idempotency-Key: b", *USUAL], BODY)
@example([b"Idempotency-Key: b", *USUAL], BODY)
@example([*USUAL, b"X: y", b"Idempotency-Key: b", b"\tc"], BODY)
def test_a_head_means_what_the_parser_makes_of_it_whatever_was_remembered(
    recorded: list[object], lines: list[bytes], body: bytes
) -> None:
    sent = b"\r\n".join([*lines, b"", body])
    found = []

    async def told(client: LaneClient) -> None:
        recorded.clear()
        replies = re.sub(rb"date: .*?\r\n", b"", await client.send(sent))
        found.append((replies, client.has_ended, [*recorded]))
        await client.leave()

    async def knowing(connect: Callable[[], LaneClient], lane: Lane) -> None:
        others = [line for line in lines if not line.lower().startswith(b"idempotency-key")]
        for place in (1, len(others)):  # the same head with an id in other places
            first = [*others[:place], b"Idempotency-Key: z", *others[place:], b"", BODY]
            client = connect()
            await client.send(b"\r\n".join(first))
            await client.leave()
        await told(connect())

    async def knowing_nothing(connect: Callable[[], LaneClient], lane: Lane) -> None:
        await told(connect())

    play(knowing)
    play(knowing_nothing)
    assert found[0] == found[1]
