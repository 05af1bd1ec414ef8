"""The service for an ASGI server: the API on the event loop, Django for the rest.

When the server shuts down, what is pending is flushed.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
import warnings
from typing import Any

from django.core.asgi import get_asgi_application

if not os.environ.get("DJANGO_SETTINGS_MODULE"):
    os.environ["DJANGO_SETTINGS_MODULE"] = "incrementer_site.settings"

_django = get_asgi_application()

from django.urls import reverse  # noqa: E402  (needs Django to be set up, as the others)

from counters.recorder import recorder, stop_recorder  # noqa: E402
from counters.web import replies  # noqa: E402
from counters.web.middleware import is_served  # noqa: E402
from counters.web.replies import Reply, Stream  # noqa: E402
from incrementer_site import api  # noqa: E402
from incrementer_site.incoming import incoming_pages  # noqa: E402
from incrementer_site.logins import LoginThrottle, send_too_many  # noqa: E402
from incrementer_site.messages import (  # noqa: E402
    body_of,
    discard_body,
    send_reply,
    send_stream,
)
from incrementer_site.pages import Pages  # noqa: E402
from incrementer_site.turns import Turns  # noqa: E402

_SWITCH_SECONDS = 0.0005
"""How long a busy thread may keep Python's lock from the event loop, each time that the loop wants
it: for each socket that it serves. Python's default is ten times as long, and increments wait twice
as long beside pages. Without pages it makes no difference."""

# whitenoise streams the admin's files, which Django reads whole, in a thread. They are small.
warnings.filterwarnings("ignore", "StreamingHttpResponse must consume synchronous iterators")

_pages = Pages(_django)
_throttle = LoginThrottle()
_turns = Turns(places=8)  # of some 0.1 ms each
_login_path = reverse("admin:login")


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Serve one ASGI connection; the lifespan starts the flusher and flushes a last time."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
    elif api.is_for_api(scope["path"]):
        await _turns.place()
        reply = await api.answer(scope, receive)
        if isinstance(reply, Stream):
            await send_stream(reply, receive, send)
        elif reply is not None:
            await send_reply(reply, send)
    elif not is_served(scope["path"]):
        await _turns.place()
        await discard_body(scope, receive)
        await send_reply(replies.not_found(scope["path"]), send)
    else:
        await _page(scope, receive, send)


async def _lifespan(receive: Any, send: Any) -> None:
    await receive()
    sys.setswitchinterval(_SWITCH_SECONDS)
    recorder()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(stop_recorder)
    await send({"type": "lifespan.shutdown.complete"})


async def _page(scope: Any, receive: Any, send: Any) -> None:
    is_login = scope["path"] == _login_path and scope["method"] == "POST"
    if is_login:
        host, *_ = scope.get("client") or ("",)
        wait_seconds = _throttle.seconds_to_wait(host, time.monotonic())
        if wait_seconds:
            await discard_body(scope, receive)
            await send_too_many(wait_seconds, send)
            return
    async with body_of(receive, incoming_pages()) as body:
        if isinstance(body, Reply):
            await send_reply(body, send)
        elif body is not None:
            await _pages.answer(_without_parameters(scope), body, receive, send, is_login=is_login)


def _without_parameters(scope: Any) -> Any:
    """Leave Content-Type its media type only: Django fails on some parameters, and needs none."""
    headers = [
        (name, value.partition(b";")[0] if name == b"content-type" else value)
        for name, value in scope["headers"]
    ]
    return {**scope, "headers": headers}
