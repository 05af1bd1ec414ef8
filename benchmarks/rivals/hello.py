"""The smallest ASGI application: what it costs is the cost of gunicorn and uvicorn-worker."""

from __future__ import annotations

from typing import Any

_BODY = b'{"ok":true}\n'
_START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(_BODY)).encode()),
    ],
}
_END = {"type": "http.response.body", "body": _BODY}


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send(_START)
    await send(_END)
