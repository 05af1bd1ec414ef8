"""The API on the event loop: what the increment lane does not answer takes no thread either."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from counters.increments import Batch, Increment
from counters.recorder import recorder
from counters.web import health, increment, replies
from counters.web.increment import Read
from counters.web.replies import Reply
from incrementer_site.incoming import incoming_increments
from incrementer_site.lane.heads import fields_of
from incrementer_site.messages import body_of, discard_body

logger = logging.getLogger(__name__)

PATHS = (increment.PATH, *health.PATHS)

_SHORT_BYTES = 4096
_one_at_a_time = asyncio.Lock()
"""Of bodies that are not short, one is looked at in each turn of the event loop."""


async def answer(scope: Any, receive: Any) -> Reply | None:
    """Return the reply to a request for one of `PATHS`; None where its client has gone."""
    fields = fields_of(scope["headers"], scope["query_string"])
    try:
        if scope["path"] == increment.PATH and scope["method"] == "POST":
            return await _increment(increment.reader_of(fields), scope, receive)
        await discard_body(scope, receive)
        if scope["path"] == increment.PATH:
            return increment.OTHER_METHOD
        return health.answer(scope["path"], scope["method"], fields.authorization)
    except Exception:
        logger.exception("%s %s failed.", scope["method"], scope["path"])
        return replies.server_failed()


async def _increment(read: Read | Reply, scope: Any, receive: Any) -> Reply | None:
    if isinstance(read, Reply):
        await discard_body(scope, receive)
        return read
    async with body_of(receive, incoming_increments()) as body:
        if body is None or isinstance(body, Reply):
            return body
        if len(body) <= _SHORT_BYTES:
            found = read(body)
        else:
            async with _one_at_a_time:
                found = read(body)
                await asyncio.sleep(0)  # others are served before the next long body
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
