"""The service for an ASGI server: Django, with bodies bounded, and a flush when it shuts down."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "incrementer_site.settings")

_django = get_asgi_application()

from counters.config import config  # noqa: E402  (needs Django to be set up)
from counters.recorder import recorder, stop_recorder  # noqa: E402


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve one ASGI connection; the lifespan starts the flusher and flushes a last time."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        await _django(_without_parameters(scope), _bounded(receive), send)


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    recorder()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(stop_recorder)
    await send({"type": "lifespan.shutdown.complete"})


def _without_parameters(scope: Any) -> Any:
    """Leave Content-Type its media type only: Django fails on some parameters, and needs none."""
    headers = [
        (name, value.partition(b";")[0] if name == b"content-type" else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}


def _bounded(receive: Any) -> Any:
    """Cut a body off one byte past its limit: Django would spool a body of any length to disk."""
    left = config().max_body_bytes + 1

    async def bounded() -> Any:
        nonlocal left
        message = await receive()
        while message["type"] == "http.request" and left == 0:
            message = await receive()  # Django has its end, and expects no more of it
        if message["type"] == "http.request":
            body = message.get("body", b"")[:left]
            left -= len(body)
            message = {**message, "body": body, "more_body": message["more_body"] and left > 0}
        return message

    return bounded
