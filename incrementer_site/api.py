"""The API on the event loop: what the increment lane does not answer takes no thread either."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from counters.increments import Batch, Increment
from counters.recorder import recorder
from counters.web import health, increment, replies
from counters.web.replies import Reply
from incrementer_site.messages import read_body

logger = logging.getLogger(__name__)

PATHS = (increment.PATH, *health.PATHS)


async def answer(scope: Any, receive: Any) -> Reply | None:
    """Return the reply to a request for one of `PATHS`; None where its client has gone."""
    try:
        if scope["path"] == increment.PATH:
            return await _increment(scope, receive)
        authorization = _header(scope, b"authorization")
        return health.answer(scope["path"], scope["method"], authorization)
    except Exception:
        logger.exception("%s %s failed.", scope["method"], scope["path"])
        return replies.server_failed()


async def _increment(scope: Any, receive: Any) -> Reply | None:
    if scope["method"] != "POST":
        return increment.OTHER_METHOD
    read = increment.reader_of(
        _header(scope, b"content-type"),
        _header(scope, b"authorization"),
        _header(scope, b"transfer-encoding"),
    )
    if isinstance(read, Reply):
        return read
    body = await read_body(receive)
    if body is None:
        return None
    found = read(body)
    return found if isinstance(found, Reply) else await _record(found)


async def _record(request: Increment | Batch) -> Reply:
    receipt = increment.record(request)
    if isinstance(receipt, Reply):
        return receipt
    if recorder().waits_for_sync:
        loop, synced = asyncio.get_running_loop(), asyncio.Event()
        recorder().after_sync(lambda: loop.call_soon_threadsafe(synced.set))
        await synced.wait()
    return increment.reply_to(receipt)


def _header(scope: Any, wanted: bytes) -> str:
    """Return the value of a header; of several, what Django makes of them."""
    return ",".join(value.decode("latin1") for name, value in scope["headers"] if name == wanted)
