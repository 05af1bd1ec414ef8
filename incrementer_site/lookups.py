"""Lookups of many clients, answered together: one query at a time, by a thread of its own.

What comes while a query is under way shares the next one. So the database is asked a few thousand
times a second at the most, however many clients there are; and the event loop never waits for it.

Whatever the database does, nobody waits longer than `LONGEST_READ_SECONDS`. Once somebody has, the
database is taken to stand still: all that waits gets 503, and so does what comes, at once, as long
as a query is under way. So clients that give up and ask again fill neither the connections nor the
memory. The thread's query ends whenever it ends; the first lookup that comes then tries anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from itertools import chain
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple

from counters import totals
from counters.dialects import LONGEST_READ_SECONDS, TotalsReader
from counters.web import replies
from counters.web.lookup import Lookup, totals_for
from counters.web.replies import Reply

logger = logging.getLogger(__name__)

_MAX_COST = 2000
"""What a query may cost, and the lookup that goes beyond: others are not to wait long for the turn
in which all of it is rendered. See `Lookup.cost`."""
_MAX_WAITING_COST = 100_000
"""What may wait, in all: some 30 MB. One key for each of twice the most connections fits in."""
_MAX_GIVEN_UP = 200
"""So many lookups are refused in a turn of the event loop."""
_IDLE_SECONDS = 1.0
"""How long a connection is kept that nobody needs."""

Callback = Callable[[Reply], object]
_Totals = Mapping[str, int] | None


class _Asked(NamedTuple):
    lookup: Lookup
    callback: Callback
    until: float
    """When it is to be answered at the latest, by the event loop's clock."""


class Lookups:
    """Answers the lookups of one worker. For the event loop's thread only."""

    def __init__(self, *, are_fresh: bool, longest_seconds: float = LONGEST_READ_SECONDS) -> None:
        self._are_fresh = are_fresh
        self._longest_seconds = longest_seconds
        self._waiting: deque[_Asked] = deque()
        self._asked_for: list[_Asked] = []  # what the query under way is for
        self._given_up: deque[_Asked] = deque()
        self._unanswered_cost = 0
        self._is_under_way = False
        self._stands_still = False
        self._has_timer = False
        self._batches: SimpleQueue[tuple[set[str], Callable[[_Totals], object]]] = SimpleQueue()
        name = "fresh totals" if are_fresh else "totals"
        self._thread = Thread(target=self._run, name=name, daemon=True)

    def ask(self, lookup: Lookup, callback: Callback) -> None:
        """Call `callback` with the reply, in a later turn of the event loop."""
        loop = asyncio.get_running_loop()
        unanswered_cost = self._unanswered_cost + lookup.cost
        if (self._stands_still and self._is_under_way) or unanswered_cost > _MAX_WAITING_COST:
            loop.call_soon(callback, replies.totals_unavailable())
            return
        self._unanswered_cost = unanswered_cost
        self._waiting.append(_Asked(lookup, callback, loop.time() + self._longest_seconds))
        if not self._has_timer:
            self._has_timer = True
            loop.call_later(self._longest_seconds, self._look_at_clock)
        if not self._is_under_way:
            self._is_under_way = True
            if not self._thread.ident:
                self._thread.start()
            loop.call_soon(self._begin)  # with all that come in this turn

    def _begin(self) -> None:
        cost = 0
        keys: set[str] = set()
        while self._waiting and cost < _MAX_COST:
            asked = self._waiting.popleft()
            self._asked_for.append(asked)
            keys.update(asked.lookup.keys)
            cost += asked.lookup.cost
        loop = asyncio.get_running_loop()

        def found(totals_found: _Totals) -> None:
            with suppress(RuntimeError):  # the worker has ended, and nobody waits
                loop.call_soon_threadsafe(self._end, totals_found)

        self._batches.put((keys, found))

    def _end(self, found: _Totals) -> None:
        asked_for, self._asked_for = self._asked_for, []
        if found is not None:
            self._stands_still = False
        self._is_under_way = bool(self._waiting)
        if self._is_under_way:
            self._begin()
        for asked in asked_for:
            self._reply(asked, found)

    def _reply(self, asked: _Asked, found: _Totals) -> None:
        lookup = asked.lookup
        self._unanswered_cost -= lookup.cost
        try:
            reply = replies.totals_unavailable() if found is None else lookup.render(found)
        except Exception:  # one request's trouble is not that of the others in its batch
            logger.exception("A request for a total failed.")
            reply = replies.server_failed()
        asked.callback(reply)

    # Where the database stands still

    def _look_at_clock(self) -> None:
        """Give up all that waits, if any of it has waited too long."""
        oldest = next(chain(self._asked_for, self._waiting), None)
        self._has_timer = oldest is not None
        if oldest is None:
            return
        loop = asyncio.get_running_loop()
        if oldest.until > loop.time():
            loop.call_at(oldest.until, self._look_at_clock)
            return
        self._has_timer = False
        self._stands_still = True
        self._given_up += [*self._asked_for, *self._waiting]
        self._asked_for.clear()
        self._waiting.clear()
        self._refuse_given_up()

    def _refuse_given_up(self) -> None:
        for _ in range(min(len(self._given_up), _MAX_GIVEN_UP)):
            self._reply(self._given_up.popleft(), None)
        if self._given_up:
            asyncio.get_running_loop().call_soon(self._refuse_given_up)

    # The thread

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
