"""ASGI's messages: a request's body as one piece, whether its client has gone, a whole reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from counters.config import config
from counters.web.replies import Reply


async def read_body(receive: Any) -> bytes | None:
    """Return a request's body, once all of it is here; None where the client leaves before.

    It is cut off one byte past its limit: nobody keeps more, and that byte tells that it is longer.
    """
    longest = config().max_body_bytes + 1
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")[: longest - len(body)]
        if not message.get("more_body", False):
            return bytes(body)


async def wait_until_gone(receive: Any) -> None:
    """Return once the client has gone, or has its reply. The body has to be read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_reply(reply: Reply, send: Any) -> None:
    """Send a reply of the API."""
    await send_whole(reply.status, dict(reply.all_headers()), reply.body, send)


async def send_whole(status: int, headers: Mapping[str, str], body: bytes, send: Any) -> None:
    """Send a reply that is here as a whole."""
    encoded = [(name.lower().encode(), value.encode("latin1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
