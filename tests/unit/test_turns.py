"""Requests outside the lane are answered a few in each turn of the event loop."""

from __future__ import annotations

import asyncio

from incrementer_site.turns import Turns


def test_a_few_pass_in_each_turn_in_the_order_of_their_coming() -> None:
    passed: list[int] = []

    async def one(turns: Turns, number: int) -> None:
        await turns.place()
        passed.append(number)

    async def scene() -> None:
        turns = Turns(places=3)
        tasks = [asyncio.create_task(one(turns, number)) for number in range(20)]
        tasks[4].cancel()  # its client has gone
        before = 0
        while not all(task.done() for task in tasks):
            await asyncio.sleep(0)
            assert len(passed) - before <= 3
            before = len(passed)

    asyncio.run(scene())
    assert passed == [number for number in range(20) if number != 4]
