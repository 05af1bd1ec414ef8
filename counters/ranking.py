"""The first totals in the order of their values: computed now and then, and kept in memory.

An index on the values would make each flush half as slow again. Without one, the database has to
look at every total. So each process keeps the first `MOST` of the lists that were asked for last,
and a thread makes one after the other anew.
"""

from __future__ import annotations

import logging
import os
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread

from django.db import Error

from counters import totals
from counters.listing import all_totals, totals_in

logger = logging.getLogger(__name__)

MOST = 10_000
"""Entries of a ranking."""
_KEPT = 8
"""Rankings that a process keeps. One takes some 2 MB; with the longest keys, 12 MB."""
_FRESH_SECONDS = 5.0
_TIMES_ITS_COST = 50
"""A ranking is made anew once it is older than both `_FRESH_SECONDS` and so many times what it took
to make: so one that is asked for all the time takes a fiftieth of a CPU at the most."""
_LONGEST_WAIT_SECONDS = 5.0
"""How long a request waits for the first making of a ranking."""
_MOST_WAITING = 1
"""Requests that wait for one: each holds a thread, and there are other requests."""
_MOST_QUEUED = 16
"""Rankings that are to be made. Who has waited for one in vain has left it in the queue."""


class RankingNotReady(Exception):
    """A ranking is not made yet; it may be soon."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which ranking."""

    prefix: str
    """What the keys begin with."""
    is_descending: bool
    """Whether the largest totals come first. Equal ones are in the order of their keys anyway."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The first totals in the order of their values, as of one moment."""

    wanted: Wanted
    entries: Sequence[tuple[str, int]]
    """Up to `MOST` keys with their totals."""
    is_cut: bool
    """Whether there are more than that."""
    as_of: float
    """The moment, by the system's monotonic clock, in seconds."""
    took_seconds: float

    @property
    def age_seconds(self) -> float:
        return time.monotonic() - self.as_of

    @property
    def is_old(self) -> bool:
        return self.age_seconds > max(_FRESH_SECONDS, _TIMES_ITS_COST * self.took_seconds)

    def page(self, limit: int, after: tuple[str, int] | None) -> Sequence[tuple[str, int]]:
        """Return up to `limit` entries behind `after`, which need not be an entry itself."""
        start = 0
        if after is not None:
            start = bisect_right(self.entries, self._place(after), key=self._place)
        return self.entries[start : start + limit]

    def _place(self, entry: tuple[str, int]) -> tuple[int, str]:
        key, value = entry
        return (-value if self.wanted.is_descending else value), key


class Rankings:
    """The rankings that this process keeps."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[Wanted, Ranking] = OrderedDict()
        self._queue: dict[Wanted, Future[Ranking]] = {}  # the first is being made
        self._has_thread = False
        self._waiting = 0

    def get(self, wanted: Wanted) -> Ranking:
        """Return the ranking, as old as it may be; one that there is not is waited for.

        Raises:
            RankingNotReady: it takes too long, or others wait already.
            django.db.Error: the database failed.
        """
        with self._lock:
            ranking = self._kept.get(wanted)
            if ranking is not None:
                self._kept.move_to_end(wanted)
                if ranking.is_old:
                    with suppress(RankingNotReady):
                        self._ask_for(wanted)
                return ranking
            if self._waiting >= _MOST_WAITING:
                raise RankingNotReady
            making = self._ask_for(wanted)
            self._waiting += 1
        try:
            return making.result(_LONGEST_WAIT_SECONDS)
        except TimeoutError as error:
            raise RankingNotReady from error
        finally:
            with self._lock:
                self._waiting -= 1

    def _ask_for(self, wanted: Wanted) -> Future[Ranking]:
        if wanted not in self._queue:
            if len(self._queue) >= _MOST_QUEUED:
                raise RankingNotReady
            if not self._has_thread:
                Thread(target=self._make_all, name="rankings", daemon=True).start()
                self._has_thread = True
            self._queue[wanted] = Future()
        return self._queue[wanted]

    def _make_all(self) -> None:
        """Make what is in the queue, until it is empty."""
        while True:
            with self._lock:
                wanted = next(iter(self._queue), None)
                if wanted is None:
                    self._has_thread = False
                    return
            made = _make_or_fail(wanted)
            with self._lock:
                if isinstance(made, Ranking):
                    self._kept[wanted] = made
                    while len(self._kept) > _KEPT:
                        self._kept.popitem(last=False)
                making = self._queue.pop(wanted)
            if isinstance(made, Ranking):
                making.set_result(made)
            else:
                making.set_exception(made)


def _make_or_fail(wanted: Wanted) -> Ranking | Exception:
    try:
        return _make(wanted)
    except Error as error:  # who waits is told; the log has it from the flusher
        return error
    except Exception as error:
        logger.exception("A list in the order of values could not be made.")
        return error
    finally:
        totals.close_connection()


def _make(wanted: Wanted) -> Ranking:
    as_of = time.monotonic()
    # The range of an empty prefix would have the database go through all of the index on keys.
    found = totals_in(wanted.prefix) if wanted.prefix else all_totals()
    found = found.order_by("-value" if wanted.is_descending else "value", "point")
    rows = [
        (key, value)
        for key, value in found.values_list("key", "value")[: MOST + 1]
        # SQLite may have others, which a person has put in.
        if isinstance(key, str) and isinstance(value, int)
    ]
    took_seconds = time.monotonic() - as_of
    return Ranking(wanted, rows[:MOST], len(rows) > MOST, as_of, took_seconds)


_rankings = Rankings()


def ranking(wanted: Wanted) -> Ranking:
    """Return a ranking that this process keeps, or makes now.

    Raises:
        RankingNotReady: it takes too long, or others wait already.
        django.db.Error: the database failed.
    """
    return _rankings.get(wanted)


def _forget_in_child() -> None:
    """In a child there is no thread that makes them, and nobody would open its lock."""
    global _rankings
    _rankings = Rankings()


os.register_at_fork(after_in_child=_forget_in_child)
