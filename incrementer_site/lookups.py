"""Lookups of many clients, answered together: one query at a time, by a thread of its own.

What comes while a query is under way shares the next one. So the database is asked a few thousand
times a second at the most, however many clients there are; and the event loop never waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue
from threading import Thread

from counters import totals
from counters.dialects import TotalsReader
from counters.web import replies
from counters.web.lookup import Lookup, totals_for
from counters.web.replies import Reply

logger = logging.getLogger(__name__)

_MAX_KEYS = 2000
"""Keys in a query, and those of the lookup that goes beyond: others are not to wait long."""
_IDLE_SECONDS = 1.0
"""How long a connection is kept that nobody needs."""

Callback = Callable[[Reply], object]
_Totals = Mapping[str, int] | None


class Lookups:
    """Answers the lookups of one worker. For the event loop's thread only."""

    def __init__(self, *, are_fresh: bool) -> None:
        self._are_fresh = are_fresh
        self._waiting: deque[tuple[Lookup, Callback]] = deque()
        self._is_under_way = False
        self._batches: SimpleQueue[tuple[set[str], Callable[[_Totals], object]]] = SimpleQueue()
        name = "fresh totals" if are_fresh else "totals"
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def ask(self, lookup: Lookup, callback: Callback) -> None:
        """Call `callback` with the reply, in a later turn of the event loop."""
        self._waiting.append((lookup, callback))
        if not self._is_under_way:
            self._is_under_way = True
            if not self._thread.ident:
                self._thread.start()
            asyncio.get_running_loop().call_soon(self._begin)  # with all that come in this turn

    def _begin(self) -> None:
        batch: list[tuple[Lookup, Callback]] = []
        keys: set[str] = set()
        while self._waiting and len(keys) < _MAX_KEYS:
            batch.append(self._waiting.popleft())
            keys.update(batch[-1][0].keys)
        loop = asyncio.get_running_loop()

        def found(totals_found: _Totals) -> None:
            with suppress(RuntimeError):  # the worker has ended, and nobody waits
                loop.call_soon_threadsafe(self._end, batch, totals_found)

        self._batches.put((keys, found))

    def _end(self, batch: list[tuple[Lookup, Callback]], found: _Totals) -> None:
        self._is_under_way = bool(self._waiting)
        if self._is_under_way:
            self._begin()
        for lookup, callback in batch:
            try:
                reply = replies.totals_unavailable() if found is None else lookup.render(found)
            except Exception:  # one request's trouble is not that of the others in its batch
                logger.exception("A request for a total failed.")
                reply = replies.server_failed()
            callback(reply)

    def _answer(self, keys: set[str], reader: TotalsReader) -> _Totals:
        try:
            return totals_for(keys, reader, is_fresh=self._are_fresh)
        except Exception:  # whatever it is, this thread has to go on
            logger.exception("Totals could not be read.")
            return None

    def _run(self) -> None:
        reader = totals.reader()
        while True:
            try:
                keys, found = self._batches.get(timeout=_IDLE_SECONDS)
            except Empty:
                reader.close()
                keys, found = self._batches.get()
            found(self._answer(keys, reader))
            if self._are_fresh:
                totals.close_connection()  # which can write, unlike that of the reader


@cache
def _lookups(are_fresh: bool) -> Lookups:
    return Lookups(are_fresh=are_fresh)


def ask(lookup: Lookup, callback: Callback) -> None:
    """Call `callback` with the reply to a lookup, in a later turn of the event loop."""
    _lookups(lookup.is_fresh).ask(lookup, callback)


async def answer(lookup: Lookup) -> Reply:
    """Return the reply to a lookup."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def end(reply: Reply) -> None:
        if not answered.done():  # it is, where the client has gone
            answered.set_result(reply)

    ask(lookup, end)
    return await answered
