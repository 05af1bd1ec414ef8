"""The increment lane, in this process and without sockets: its limits, and what it remembers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from counters.recorder import recorder
from counters.web.lookup import Lookup
from counters.web.replies import Reply
from incrementer_site import lookups
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.limits import Limits
from tests.testbed.lane_client import LaneClient

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"


pytestmark = pytest.mark.usefixtures("counting")


def increment(key: str, *headers: str) -> bytes:
    body = f"key={key}&value=1".encode()
    more = "".join(f"{header}\r\n" for header in headers).encode()
    return b"POST /increment HTTP/1.1\r\nHost: x\r\n%s%sContent-Length: %d\r\n\r\n%s" % (
        FORM,
        more,
        len(body),
        body,
    )


async def other(scope: Any, receive: Any, send: Any) -> None:
    """Answer instead of Django what the lane does not answer."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def play(scene: Callable[[Callable[[], LaneClient], Lane], Awaitable[None]], **limits: int) -> None:
    """Run `scene` with a lane that has these limits, and a function that connects to it."""

    async def run() -> None:
        lane = Lane(Limits(**limits))
        await scene(lambda: LaneClient(lane, other), lane)

    asyncio.run(run())


def statuses(replies: bytes) -> list[int]:
    return [int(reply.split()[0]) for reply in replies.split(b"HTTP/1.1 ")[1:]]


def test_connections_beyond_the_limit_get_503_and_still_more_are_cut_off() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        first, second, third = connect(), connect(), connect()
        assert statuses(await first.send(increment("a"))) == [200]
        assert statuses(second.written) == [503]
        assert b"more than 1 connections" in second.written
        assert third.has_ended
        assert third.written == b""

    play(scene, max_connections=1)


def test_a_slow_request_is_cut_off_and_a_quick_one_is_not() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        slow, quick = connect(), connect()
        await slow.send(increment("a")[:-1])
        for _ in range(4):
            assert not slow.has_ended
            assert statuses(await quick.send(increment("b"))) == [200]
            lane.tick()
        assert slow.has_ended
        assert statuses(await quick.send(increment("b"))) == [200]

    play(scene, request_seconds=3)


def test_increments_of_one_turn_are_answered_in_order_however_many() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        pieces = [increment("a") if n % 3 else increment("a&key=b") for n in range(50)]
        replies = await client.send(b"".join(pieces))
        assert statuses(replies) == [200 if n % 3 else 400 for n in range(50)]

    play(scene, max_turn_increments=7)


def test_a_client_that_sends_ahead_is_read_no_further_until_it_is_answered() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        client.deliver(increment("a") * 6)
        assert not client.reads_on
        await client.send()
        await client.leave()

    play(scene, max_unanswered=5)


def test_heads_that_never_come_again_take_no_memory() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        for number in range(100):
            assert statuses(await client.send(increment("a", f"X-Number: {number}"))) == [200]
        assert len(lane.known_heads) <= 10

    play(scene, max_known_heads=10)


@pytest.fixture
def totals(monkeypatch: pytest.MonkeyPatch) -> list[Lookup]:
    """The lookups that were asked; each key has the total 7, and the database takes its time."""
    asked: list[Lookup] = []

    def ask(lookup: Lookup, callback: Callable[[Reply], object]) -> None:
        asked.append(lookup)
        reply = lookup.render(dict.fromkeys(lookup.keys, 7))
        asyncio.get_running_loop().call_later(0.001, callback, reply)

    monkeypatch.setattr(lookups, "ask", ask)
    return asked


async def answered(client: LaneClient, count: int) -> list[int]:
    """Wait until a client has so many replies; return their statuses."""
    while len(statuses(client.written)) < count:
        await asyncio.sleep(0)
    return statuses(client.written)


def read(key: str, *headers: str) -> bytes:
    lines = [f"GET /numbers/{key} HTTP/1.1", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def test_requests_for_many_keys_push_out_no_head(totals: list[Lookup]) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        await client.send(increment("a"))
        for number in range(100):
            client.deliver(read(f"key{number}", "Accept: */*"))
            assert await answered(client, number + 2) == [200] * (number + 2)
        assert (len(lane.known_heads), len(lane.known_askers)) == (1, 1)

    play(scene, max_known_heads=10)
    assert [list(lookup.keys) for lookup in totals] == [[f"key{number}"] for number in range(100)]


def test_what_comes_behind_a_request_for_a_total_waits_for_it(totals: list[Lookup]) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        await client.send(increment("a"))
        client.deliver(read("a"))
        await answered(client, 2)  # both heads are known now
        client.deliver(read("b"))
        client.deliver(increment("a"))
        client.deliver(read("c"))
        assert await answered(client, 5) == [200, 200, 200, 404, 404]  # the latter from `other`
        assert client.written.index(b'"b"') < client.written.index(b"404")

    play(scene)
    assert [list(lookup.keys) for lookup in totals] == [["a"], ["b"]]


def test_a_client_that_leaves_gets_no_total(totals: list[Lookup]) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        client.deliver(read("a"))
        await client.leave()
        await asyncio.sleep(0.01)
        assert client.written == b""

    play(scene)


@pytest.mark.parametrize("again", [increment("b"), increment("longer")], ids=["same", "longer"])
def test_a_known_head_counts_what_the_new_body_says(again: bytes) -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        assert statuses(await client.send(increment("a"), again, again)) == [200, 200, 200]

    play(scene)
    assert recorder().state().buffer.pending_keys == 2


def test_the_date_is_renewed() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        lane.recorded = [b"stale"] * len(lane.recorded)
        lane.tick()
        assert statuses(await client.send(increment("a"))) == [200]

    play(scene)


def test_a_head_that_is_too_long_is_refused_after_the_earlier_replies() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        head = b"POST /increment HTTP/1.1\r\n"
        replies = await client.send(increment("a") + head, b"X: 1\r\n" * 100, b"X: 1\r\n" * 100)
        assert statuses(replies) == [200, 431]

    play(scene, max_head_bytes=1000)


def test_a_failure_that_nobody_thought_of_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        monkeypatch.setattr(recorder(), "record", fail)
        assert statuses(await client.send(increment("a") + increment("b"))) == [500, 500]
        monkeypatch.undo()
        assert statuses(await client.send(increment("a"))) == [200]

    play(scene)


def test_a_refusal_waits_for_earlier_replies_and_for_no_disk(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.COUNTERS |= {"JOURNAL_FSYNC": "always"}
    syncs: list[Callable[[], object]] = []

    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        monkeypatch.setattr(recorder(), "after_sync", syncs.append)
        waiting, free = connect(), connect()
        assert statuses(await waiting.send(increment("a"))) == []
        assert statuses(await waiting.send(increment("a&key=b"))) == []
        assert statuses(await free.send(increment("a&key=b"))) == [400]
        monkeypatch.undo()
        await asyncio.to_thread(recorder().wait_for_sync)
        for after_sync in syncs:
            after_sync()
        await waiting.settle()
        assert statuses(waiting.written) == [200, 400]

    play(scene)


def test_the_next_reply_closes_where_the_worker_shuts_down_also_for_heads_that_are_known() -> None:
    async def scene(connect: Callable[[], LaneClient], lane: Lane) -> None:
        client = connect()
        for _ in range(3):
            assert b"connection: close" not in await client.send(increment("a"))
        lane.end()
        assert b"connection: close" in await client.send(increment("a"))
        client.deliver(increment("a"))  # it gets no reply, so it must not count
        await client.settle()

    play(scene)
    assert recorder().state().buffer.pending_keys == 1
