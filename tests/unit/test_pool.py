"""The places for work that may take long: what happens at the edges of a wait."""

from __future__ import annotations

import asyncio
from typing import Any

from incrementer_site.pool import Pool


def test_a_client_that_leaves_just_as_its_place_is_free_troubles_nobody() -> None:
    troubles: list[Any] = []

    async def leave_at_that_instant() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: troubles.append(context))
        pool = Pool(places=1, max_waiting=1, max_wait_seconds=60)
        gone: asyncio.Future[None] = loop.create_future()

        async def wait() -> None:
            async with pool.place(gone):
                pass

        async with pool.place(loop.create_future()):
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
        gone.set_result(None)
        await waiting
        await asyncio.sleep(0)
        async with pool.place(loop.create_future()):
            pass  # the place has been given back

    asyncio.run(leave_at_that_instant())
    assert troubles == []
