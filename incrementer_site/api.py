"""The API on the event loop: what the lane does not answer takes no thread, or one for a while."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Any

from counters.recorder import recorder
from counters.web import cors, increment, replies
from counters.web.conditional import for_client
from counters.web.endpoints import Answer, Handler, endpoint_at, handler_of
from counters.web.endpoints import answer as answer_by
from counters.web.increment import Read, Recordable
from counters.web.lookup import Lookup
from counters.web.replies import RECORDED, Reply, Stream
from counters.web.request import BadRequest, Fields, Request, unescaped_path
from incrementer_site import lookups
from incrementer_site.incoming import incoming_increments
from incrementer_site.lane.heads import fields_of
from incrementer_site.messages import body_of, discard_body, wait_until_gone
from incrementer_site.pool import Busy, Pool
from incrementer_site.readers import Readers

logger = logging.getLogger(__name__)

_SHORT_BYTES = 4096
_one_at_a_time = asyncio.Lock()
"""Of bodies that are not short, one is looked at in each turn of the event loop."""
_PLACES = 2
"""As for pages: while one waits for the database, the other goes on."""
_waits = Pool(places=_PLACES, max_waiting=64, max_wait_seconds=10)
_readers = Readers(threads=_PLACES)


def is_for_api(path: str) -> bool:
    """Return whether the API answers at a path."""
    return path == increment.PATH or endpoint_at(path) is not None


async def answer(scope: Any, receive: Any) -> Reply | Stream | None:
    """Return the reply to a request at a path that `is_for_api`; None where its client has gone."""
    fields = fields_of(scope["headers"], scope["query_string"])
    try:
        reply = await _answer(scope, receive, fields)
    except BadRequest as problem:
        await discard_body(scope, receive)
        reply = problem.reply
    except Exception:
        logger.exception("%s %s failed.", scope["method"], scope["path"])
        reply = replies.server_failed()
    return None if reply is None else cors.allowed(fields, reply)


async def _answer(scope: Any, receive: Any, fields: Fields) -> Reply | Stream | None:
    method, path = scope["method"], unescaped_path(scope["raw_path"])
    if path == increment.PATH:
        if method == "POST":
            return await _increment(increment.reader_of(fields), scope, receive, fields)
        await discard_body(scope, receive)
        return increment.other_method(method, fields)
    request = Request(method, path, fields)
    handler = handler_of(request, endpoint_at(path) or {})
    if isinstance(handler, Reply) or not handler.reads_body:
        await discard_body(scope, receive)
        reply = await _reply(handler, request, receive)
    else:
        async with body_of(receive, incoming_increments()) as body:
            if body is None or isinstance(body, Reply):
                return body
            reply = await _reply(handler, request._replace(body=body), receive)
    return for_client(request, reply)


async def _reply(handler: Handler | Reply, request: Request, receive: Any) -> Reply | Stream:
    if isinstance(handler, Reply):
        return handler
    if handler.waits(request):
        found = await _in_thread(handler, request, receive)
    else:
        found = answer_by(handler, request)
    return await lookups.answer(found) if isinstance(found, Lookup) else found


async def _in_thread(handler: Handler, request: Request, receive: Any) -> Answer:
    """Have a thread answer a request. One that takes too long keeps its place until it ends."""
    gone = asyncio.ensure_future(wait_until_gone(receive))
    call = asyncio.ensure_future(_once_there_is_a_place(handler, request, gone))
    try:
        await asyncio.wait([call], timeout=handler.longest_seconds)
    finally:
        gone.cancel()  # who waits for a place has none
    if call.done():
        return call.result()
    call.add_done_callback(_throw_away)
    return replies.change_unknown() if handler.sets_totals else replies.totals_unavailable()


async def _once_there_is_a_place(
    handler: Handler, request: Request, given_up: asyncio.Future[None]
) -> Answer:
    try:
        async with _waits.place(given_up):
            return await _readers.call(partial(answer_by, handler, request))
    except Busy:
        return replies.unavailable("too many other requests are under way")


def _throw_away(call: asyncio.Future[Answer]) -> None:
    if call.cancelled() or call.exception():
        return
    if isinstance(answer := call.result(), Stream):
        answer.chunks.close()


async def _increment(read: Read | Reply, scope: Any, receive: Any, fields: Fields) -> Reply | None:
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
    if isinstance(found, Reply):
        return found
    reply = await _record(found)
    if reply is RECORDED and increment.wants_representation(fields):
        shown = await lookups.answer(increment.representation(found))
        return shown if shown.status == 200 else reply
    return reply


async def _record(request: Recordable) -> Reply:
    receipt = increment.record(request)
    if isinstance(receipt, Reply):
        return receipt
    if recorder().waits_for_sync:
        loop, synced = asyncio.get_running_loop(), asyncio.Event()
        recorder().after_sync(lambda: loop.call_soon_threadsafe(synced.set))
        await synced.wait()
    return increment.reply_to(receipt)
