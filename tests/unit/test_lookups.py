"""Lookups while the database stands still: everybody is answered, and what waits is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from threading import Event
from typing import Any

import pytest

from counters.web.lookup import Lookup
from counters.web.replies import Reply
from incrementer_site import lookups
from incrementer_site.lookups import Lookups

LONGEST_SECONDS = 0.2


class Database:
    """What the thread asks; each key has the total 7.

    Attributes:
        runs: while it is not set, every query stands still.
        fails: whether queries fail.
        queries: the keys of each that has begun.
    """

    def __init__(self) -> None:
        self.runs = Event()
        self.runs.set()
        self.fails = False
        self.queries: list[Collection[str]] = []

    def totals_for(self, keys: Collection[str], *_: Any, **__: Any) -> Mapping[str, int] | None:
        self.queries.append(keys)
        self.runs.wait(60)
        return None if self.fails else dict.fromkeys(keys, 7)


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    database = Database()
    monkeypatch.setattr(lookups, "totals_for", database.totals_for)
    yield database
    database.runs.set()


def ask(asked: Lookups, keys: Collection[str] = "a") -> asyncio.Future[Reply]:
    """Ask for totals; return the reply to come."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    asked.ask(Lookup(keys, False, lambda totals: Reply(200, b"")), answered.set_result)
    return answered


async def begun(database: Database, count: int) -> None:
    """Return once so many queries have begun."""
    while len(database.queries) < count:
        await asyncio.sleep(0.001)


def play(scene: Callable[[Lookups], Awaitable[None]], seconds: float = LONGEST_SECONDS) -> None:
    async def run() -> None:
        async with asyncio.timeout(30):
            await scene(Lookups(are_fresh=False, longest_seconds=seconds))

    asyncio.run(run())


def test_all_that_waits_is_answered_in_time(database: Database) -> None:
    async def scene(asked: Lookups) -> None:
        database.runs.clear()
        under_way = ask(asked)
        await begun(database, 1)
        waiting = [ask(asked) for _ in range(500)]
        assert {reply.status for reply in await asyncio.gather(under_way, *waiting)} == {503}
        assert len(database.queries) == 1

    play(scene)


def test_while_it_stands_still_what_comes_is_refused_at_once(database: Database) -> None:
    async def scene(asked: Lookups) -> None:
        database.runs.clear()
        await ask(asked)
        before = asyncio.get_running_loop().time()
        assert [(await ask(asked)).status for _ in range(50)] == [503] * 50
        assert asyncio.get_running_loop().time() - before < LONGEST_SECONDS
        assert len(database.queries) == 1

    play(scene)


@pytest.mark.parametrize("fails", [False, True])
def test_once_the_query_has_ended_one_lookup_tries_anew(database: Database, fails: bool) -> None:
    async def scene(asked: Lookups) -> None:
        database.runs.clear()
        await ask(asked)
        database.fails = fails
        database.runs.set()
        while len(database.queries) < 2:  # until it is known that the query has ended
            await ask(asked)
        database.fails = False
        assert (await ask(asked)).status == 200

    play(scene)


def test_what_waits_is_bounded_in_keys(database: Database) -> None:
    async def scene(asked: Lookups) -> None:
        database.runs.clear()
        first = ask(asked)
        await begun(database, 1)
        many = [ask(asked, ["a"] * 1000) for _ in range(1000)]
        refused, waiting = await asyncio.wait(many, timeout=0.1)
        assert {reply.result().status for reply in refused} == {503}
        assert 50 <= len(waiting) <= 100
        database.runs.set()
        assert {reply.status for reply in await asyncio.gather(first, *waiting)} == {200}
        again = [ask(asked, ["a"] * 1000) for _ in range(50)]  # there is room again
        assert {reply.status for reply in await asyncio.gather(*again)} == {200}

    play(scene, seconds=30)


def test_what_is_rendered_in_a_turn_is_bounded_also_where_all_ask_for_the_same(
    database: Database,
) -> None:
    async def scene(asked: Lookups) -> None:
        database.runs.clear()
        first = ask(asked)
        await begun(database, 1)
        waiting = [ask(asked, ["a"] * 1000) for _ in range(60)]
        database.runs.set()
        await asyncio.gather(first, *waiting)
        assert len(database.queries) >= 1 + 60 // 2

    play(scene, seconds=30)
