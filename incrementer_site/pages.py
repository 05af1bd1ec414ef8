"""What Django answers: the admin, its files, and whatever is not counting.

Each request that Django has takes a thread. The threads share the process with the event loop,
which counts: so only a few run at a time. Nobody holds a thread by being slow: the body is here
before, and the reply is sent after.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from counters.web import replies
from incrementer_site.messages import send_reply, wait_until_gone
from incrementer_site.pool import Busy, Pool

_MAX_UNSENT_BYTES = 64 * 1024**2
"""Of replies that wait for their clients to read them."""


class Pages:
    """An ASGI application, of which only a part runs at a time."""

    def __init__(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._application = application
        # Python runs one thread at a time, so more would not be faster; with each, the event loop
        # waits longer for its turn. Of two, one goes on while the other waits for the database.
        self._pages = Pool(places=2, max_waiting=64, max_wait_seconds=10)
        # A login is a third of a second of CPU.
        self._logins = Pool(places=1, max_waiting=64, max_wait_seconds=10)
        self._unsent_bytes = 0

    async def answer(
        self, scope: Any, body: bytes, receive: Any, send: Any, *, is_login: bool
    ) -> None:
        """Answer one request, whose body has been read; 503 where no place is free in time."""
        pool = self._logins if is_login else self._pages
        gone = asyncio.ensure_future(wait_until_gone(receive))
        try:
            async with pool.place(gone):
                messages = await self._collect(scope, body)
        except Busy:
            await send_reply(replies.unavailable("too many other requests are under way"), send)
        else:
            await self._send(messages, send)
        finally:
            gone.cancel()

    async def _collect(self, scope: Any, body: bytes) -> list[Any]:
        """Return what the application sends.

        It is not told that the client has gone: it would give up its place, and its thread would
        go on without one.
        """
        requests = [{"type": "http.request", "body": body, "more_body": False}]
        messages: list[Any] = []

        async def receive() -> Any:
            return requests.pop() if requests else await asyncio.Future()

        async def send(message: Any) -> None:
            messages.append(message)

        await self._application(scope, receive, send)
        return messages

    async def _send(self, messages: list[Any], send: Any) -> None:
        unsent_bytes = sum(len(message.get("body", b"")) for message in messages)
        if self._unsent_bytes + unsent_bytes > _MAX_UNSENT_BYTES:
            sentence = "too many replies wait for their clients to read them"
            await send_reply(replies.unavailable(sentence), send)
            return
        self._unsent_bytes += unsent_bytes
        try:
            for message in messages:
                await send(message)
        finally:
            self._unsent_bytes -= unsent_bytes
