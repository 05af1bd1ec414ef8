"""Threads that wait for the database while the event loop goes on.

Each keeps its connection to a PostgreSQL for a while: to open one takes ten times as long as a page
of a list. One to an SQLite is closed after each call: another file may take the place of the one
that is open.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

from counters import totals

_IDLE_SECONDS = 1.0
_LIFETIME_SECONDS = 60.0
"""How long a connection is used again, at the most."""

Result = TypeVar("Result")


class Readers:
    """Some threads, which make one call after the other. For the event loop's thread only."""

    def __init__(self, threads: int) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [
            Thread(target=self._run, name="reader", daemon=True) for _ in range(threads)
        ]

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads; return or raise what it does."""
        for thread in self._threads:
            if not thread.ident:
                thread.start()
        future: Future[Result] = Future()
        self._calls.put(partial(_fulfil, future, function))
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        opened_at = 0.0
        is_kept = totals.connection().vendor != "sqlite"
        while True:
            try:
                call = self._calls.get(timeout=_IDLE_SECONDS)
            except Empty:
                totals.close_connection()
                call = self._calls.get()
            if time.monotonic() - opened_at > _LIFETIME_SECONDS:
                totals.close_connection()
                opened_at = time.monotonic()
            call()
            if not is_kept:
                totals.close_connection()


def _fulfil(future: Future[Result], function: Callable[[], Result]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
