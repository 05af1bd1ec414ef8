"""ASGI's messages: a request's body as one piece, whether its client has gone, a whole reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from counters.config import config
from counters.web.replies import Reply, Stream, StreamEnded
from incrementer_site.incoming import IncomingBytes

_CHUNK_SECONDS = 30.0
"""How long a piece of a stream may take: a database that has fallen silent tells nobody."""


@asynccontextmanager
async def body_of(receive: Any, incoming: IncomingBytes) -> AsyncIterator[bytes | Reply | None]:
    """Read a request's body, and hold it during the block.

    It is cut off one byte past its limit: nobody keeps more, and that byte tells that it is longer.

    Args:
        incoming: what may be held; it counts until the block ends.

    Yields:
        The body once all of it is here; None where the client leaves before; where there is no
        room for it, the reply that says so.
    """
    longest = config().max_body_bytes + 1
    body = bytearray()
    try:
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                yield None
                return
            piece = message.get("body", b"")[: longest - len(body)]
            if not incoming.take(len(piece)):
                if message.get("more_body", False):
                    await _discard_rest(receive)
                yield incoming.no_room()
                return
            body += piece
            if not message.get("more_body", False):
                yield bytes(body)
                return
    finally:
        incoming.give_back(len(body))


async def discard_body(scope: Any, receive: Any) -> None:
    """Read a body that nobody wants, before the reply that refuses it.

    If the connection were closed with bytes of it unread, the kernel would reset the connection,
    which may cost the client the reply. A client that asks before it sends its body (Expect) is
    refused without.
    """
    if not any(name == b"expect" for name, _ in scope["headers"]):
        await _discard_rest(receive)


async def _discard_rest(receive: Any) -> None:
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass


async def wait_until_gone(receive: Any) -> None:
    """Return once the client has gone, or has its reply. The body has to be read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_reply(reply: Reply, send: Any) -> None:
    """Send a reply of the API."""
    await send_whole(reply.status, dict(reply.all_headers()), reply.body, send)


async def send_stream(stream: Stream, receive: Any, send: Any) -> None:
    """Send a body while it is made. A thread makes each piece once the client has taken others.

    Where it ends before its end, or a piece of it takes too long, the server closes the connection
    without the last chunk.
    """
    gone = asyncio.ensure_future(wait_until_gone(receive))
    making: asyncio.Future[bytes | None] | None = None
    try:
        await send(_start(stream.status, stream.all_headers()))
        while not gone.done():
            making = asyncio.ensure_future(asyncio.to_thread(next, stream.chunks, None))
            waiting = [making, gone]
            await asyncio.wait(waiting, timeout=_CHUNK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not making.done():
                break
            chunk = making.result()
            is_last = chunk is None
            message = {"type": "http.response.body", "body": chunk or b"", "more_body": not is_last}
            await send(message)
            if is_last:
                break
    except StreamEnded:
        pass  # the log has it
    finally:
        gone.cancel()
        if making is None or making.done():
            await asyncio.to_thread(stream.chunks.close)
        else:
            making.add_done_callback(partial(_close, stream))


def _close(stream: Stream, made: asyncio.Future[bytes | None]) -> None:
    """End a stream whose last chunk was not waited for."""
    if not made.cancelled():
        made.exception()  # nobody minds it any more
    stream.chunks.close()


async def send_whole(status: int, headers: Mapping[str, str], body: bytes, send: Any) -> None:
    """Send a reply that is here as a whole."""
    await send(_start(status, list(headers.items())))
    await send({"type": "http.response.body", "body": body})


def _start(status: int, headers: list[tuple[str, str]]) -> dict[str, Any]:
    encoded = [(name.lower().encode(), value.encode("latin1")) for name, value in headers]
    return {"type": "http.response.start", "status": status, "headers": encoded}
