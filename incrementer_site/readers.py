"""Threads that wait for the database while the event loop goes on.

Each keeps its connection for a while: to open one takes PostgreSQL ten times as long as a page of a
list.
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
from counters.dialects import dialect_of

_IDLE_SECONDS = 1.0
"""An open connection keeps SQLite from tidying up its files."""

Result = TypeVar("Result")


class Readers:
    """Some threads, which make one call after the other. For the event loop's thread only."""

    def __init__(self, threads: int) -> None:
        self._calls: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._threads = [
            Thread(target=self._run, name="reader", daemon=True) for _ in range(threads)
        ]

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call a function in one of the threads; return what it returns, or raise what it raises.

        It may use the thread's connection to the database, which may be some time old.
        """
        for thread in self._threads:
            if not thread.ident:
                thread.start()
        future: Future[Result] = Future()
        self._calls.put(partial(_fulfil, future, function))
        return await asyncio.wrap_future(future)

    def _run(self) -> None:
        opened_at = 0.0
        lifetime_seconds = dialect_of(totals.connection()).read_connection_seconds
        while True:
            try:
                call = self._calls.get(timeout=_IDLE_SECONDS)
            except Empty:
                totals.close_connection()
                call = self._calls.get()
            if time.monotonic() - opened_at > lifetime_seconds:
                totals.close_connection()
                opened_at = time.monotonic()
            call()


def _fulfil(future: Future[Result], function: Callable[[], Result]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(function())
        except BaseException as error:
            future.set_exception(error)
