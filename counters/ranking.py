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
from dataclasses import dataclass
from threading import Lock, Thread

from django.db import Error

from counters import totals
from counters.listing import all_totals, totals_in

logger = logging.getLogger(__name__)

MOST = 10_000
"""Entries of a ranking."""
_KEPT = 8
"""Rankings with a prefix that a process keeps. One takes some 2 MB; with the longest keys, 12.
The two of all totals stay: who asks for many prefixes does not push them out."""
_FRESH_SECONDS = 5.0
_TIMES_ITS_COST = 50
"""A ranking is made anew once it is older than both `_FRESH_SECONDS` and so many times what it took
to make: so one that is asked for all the time takes a fiftieth of a CPU at the most."""
_TIMES_TOO_OLD = 2
"""One that has become so many times as old as that, because nobody has asked for it, is waited for
as if there were none; it is returned if that takes too long."""
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

    def is_old(self, times: float = 1) -> bool:
        longest_seconds = max(_FRESH_SECONDS, _TIMES_ITS_COST * self.took_seconds)
        return self.age_seconds > times * longest_seconds

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
        """Return the ranking; one that is not there, or much too old, is waited for.

        Raises:
            RankingNotReady: it takes too long, or others wait already.
            django.db.Error: the database failed.
        """
        with self._lock:
            kept = self._kept.get(wanted)
            if kept is not None:
                self._kept.move_to_end(wanted)
                if not kept.is_old():
                    return kept
            may_wait = self._waiting < _MOST_WAITING
            making = self._ask_for(wanted) if kept or may_wait else None
            if kept is not None and not (may_wait and kept.is_old(_TIMES_TOO_OLD)):
                return kept
            if making is None:
                if kept is not None:
                    return kept
                raise RankingNotReady
            self._waiting += 1
        try:
            return making.result(_LONGEST_WAIT_SECONDS)
        except TimeoutError as error:
            if kept is not None:
                return kept
            raise RankingNotReady from error
        finally:
            with self._lock:
                self._waiting -= 1

    def _ask_for(self, wanted: Wanted) -> Future[Ranking] | None:
        """Have a ranking made; return None where too many are to be made."""
        if wanted not in self._queue:
            if len(self._queue) >= _MOST_QUEUED:
                return None
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
                    with_prefix = [each for each in self._kept if each.prefix]
                    if len(with_prefix) > _KEPT:
                        del self._kept[with_prefix[0]]
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
