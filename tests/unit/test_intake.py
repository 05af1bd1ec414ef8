"""A client that sends much holds up no other: in this process, and without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from counters.recorder import recorder, stop_recorder
from incrementer_site.incoming import incoming_increments
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.limits import Limits
from tests.testbed.lane_client import LaneClient
from tests.testbed.replies import statuses
from tests.testbed.requests import JSON, LANE, build_request, framed, increment

Connect = Callable[[], LaneClient]
BATCH = build_request(
    b"[%s]" % b",".join([b'{"key": "batch", "value": 1}'] * 1000), content_type=JSON
)
MIB = 1024 * 1024


@pytest.fixture(autouse=True)
def counting(tmp_path: Path, settings: Any) -> Iterator[None]:
    """A new recorder for each test, which flushes nothing, and an empty budget of bytes."""
    settings.COUNTERS = {"JOURNAL_DIR": tmp_path / "journal", "FLUSH_INTERVAL": 3600}
    settings.MAX_INCOMING_BYTES = 2 * MIB
    incoming_increments.cache_clear()
    stop_recorder()
    yield
    stop_recorder()
    incoming_increments.cache_clear()


async def other(scope: Any, receive: Any, send: Any) -> None:
    """Answer instead of Django what the lane does not answer."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def play(scene: Callable[[Connect], Awaitable[None]]) -> Lane:
    """Run `scene` with a function that connects to a lane; return the lane."""

    async def run() -> Lane:
        lane = Lane(Limits())
        await scene(lambda: LaneClient(lane, other))
        return lane

    return asyncio.run(run())


@pytest.mark.parametrize("much", [BATCH * 20, increment(LANE, "single") * 8000])
def test_an_ordinary_client_is_answered_long_before_one_that_sends_much(much: bytes) -> None:
    async def scene(connect: Connect) -> None:
        greedy, ordinary = connect(), connect()
        greedy.deliver(much)
        ordinary.deliver(increment(LANE, "ordinary"))
        await asyncio.sleep(0)
        assert statuses(ordinary.written) == [200]
        assert len(greedy.written) < 1000 * len(ordinary.written)
        assert not greedy.reads_on
        await greedy.settle()
        assert set(statuses(greedy.written)) == {200}
        assert greedy.reads_on

    play(scene)


def test_those_that_send_much_take_turns() -> None:
    async def scene(connect: Connect) -> None:
        clients = [connect() for _ in range(7)]
        for client in clients:
            client.deliver(BATCH * 8)
        while not all(client.written for client in clients):
            assert max(len(statuses(client.written)) for client in clients) < 5
            await asyncio.sleep(0)
        for client in clients:
            await client.settle()
            assert statuses(client.written) == [200] * 8

    play(scene)


def test_what_is_read_later_counts_once_and_is_answered_in_order() -> None:
    requests = [BATCH, increment(LANE, "a"), LANE + framed(b"key=a"), BATCH]
    requests += [increment(LANE, "b")]

    async def scene(connect: Connect) -> None:
        clients = [connect() for _ in range(5)]
        for client in clients:
            client.deliver(b"".join(requests) * 5)
        for client in clients:
            await client.settle()
            assert statuses(client.written) == [200, 200, 400, 200, 200] * 5

    play(scene)
    pending = recorder().state().buffer
    assert pending.pending_keys == 3


def test_what_waits_takes_bounded_memory() -> None:
    async def scene(connect: Connect) -> None:
        clients = [connect() for _ in range(50)]
        for client in clients:
            client.deliver(BATCH * 10)
        short = connect()
        assert statuses(await short.send(increment(LANE, "short"))) == [200]
        batch = connect()
        assert statuses(await batch.send(BATCH)) == [200]
        for client in clients:
            await client.settle()
        outcomes = [statuses(client.written) for client in clients]
        assert [200] * 10 in outcomes
        assert [503] in outcomes
        assert all(outcome in ([200] * 10, [503]) for outcome in outcomes)

    play(scene)


def test_bodies_that_never_end_leave_room_for_short_ones() -> None:
    async def scene(connect: Connect) -> None:
        hostile = [connect() for _ in range(100)]
        for client in hostile:
            await client.send(BATCH[:-1])
        refused = connect()
        assert statuses(await refused.send(BATCH[:-1], BATCH[-1:])) == [503]
        assert statuses(await refused.send(BATCH)) == [200]  # it does not have to be waited for
        halves = increment(LANE, "short")[:-5], increment(LANE, "short")[-5:]
        assert statuses(await refused.send(*halves)) == [200]
        for client in hostile:
            await client.leave()
        assert statuses(await refused.send(BATCH)) == [200]

    lane = play(scene)
    assert lane.incoming.take(lane.incoming.max_bytes, may_be_whole=True)  # all has been given back


def test_a_head_that_refuses_its_body_keeps_none_of_it(settings: Any) -> None:
    settings.COUNTERS |= {"INCREMENT_TOKEN": "s3cret"}

    async def scene(connect: Connect) -> None:
        clients = [connect() for _ in range(100)]
        for client in clients:
            await client.send(BATCH[:-1])
            assert client.reads_on
        for client in clients:
            assert statuses(await client.send(BATCH[-1:])) == [401]

    play(scene)


def test_bodies_that_are_refused_already_take_no_room_while_they_arrive(settings: Any) -> None:
    settings.COUNTERS |= {"INCREMENT_TOKEN": "s3cret"}
    request = build_request(b"x" * MIB, content_type=JSON)

    async def scene(connect: Connect) -> None:
        clients = [connect() for _ in range(50)]
        for client in clients:
            client.deliver(request[: MIB // 2])
        while not all(client.reads_on for client in clients):
            await asyncio.sleep(0)
        for client in clients:
            client.deliver(request[MIB // 2 :])
            await client.settle()
            assert statuses(client.written) == [401]

    play(scene)


def test_a_client_is_read_on_after_it_has_not_taken_its_replies_for_a_while(settings: Any) -> None:
    settings.COUNTERS |= {"INCREMENT_TOKEN": "s3cret"}
    request = build_request(b"x" * MIB, content_type=JSON)

    async def scene(connect: Connect) -> None:
        client = connect()
        client.deliver(request[: MIB // 2])  # it is refused already: nothing of it is kept
        assert not client.reads_on
        client.take_no_replies()
        await client.settle()
        assert not client.reads_on
        client.take_replies()
        await client.settle()
        assert client.reads_on
        assert statuses(await client.send(request[MIB // 2 :])) == [401]

    play(scene)


def test_clients_that_leave_give_back_what_they_held() -> None:
    async def scene(connect: Connect) -> None:
        for _ in range(50):
            waiting, unfinished = connect(), connect()
            await unfinished.send(BATCH[:-1])
            waiting.deliver(BATCH * 10)
            await waiting.leave()
            await unfinished.leave()

    lane = play(scene)
    assert lane.incoming.take(lane.incoming.max_bytes, may_be_whole=True)


def test_what_waits_to_be_answered_outside_the_lane_takes_bounded_memory() -> None:
    """A request of 26 bytes is a thousand bytes of memory while it waits for its answer."""
    seen = 0

    async def count(scope: Any, receive: Any, send: Any) -> None:
        nonlocal seen
        seen += 1
        await asyncio.Future()  # it is never answered

    async def run() -> LaneClient:
        client = LaneClient(Lane(Limits()), count)
        client.deliver(b"GET / HTTP/1.1\r\nHost:\r\n\r\n" * 10_000)
        await client.settle()
        return client

    client = asyncio.run(run())
    assert seen == 1
    assert len(client._protocol.pipeline) <= 100
    assert not client.reads_on
