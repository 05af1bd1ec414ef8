"""The counter: what a program counts with."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from ssl import SSLContext
from typing import Self

from incrementer_client import process_end
from incrementer_client.delivery import Delivery
from incrementer_client.settings import MAX_SECONDS, Settings
from incrementer_client.stats import Stats


class Counter:
    """Counts in the Incrementer at `url`, from any thread and from asyncio.

    Increments are summed in memory and sent in the background, in batches that count once each,
    however often they have to be sent. A forked child has its own, empty one.

    Args:
        url: the address of the service, such as `https://counter.example`.
        token: the service's INCREMENT_TOKEN, if it has one.
        spool: a folder on a local disk for batches that are not answered yet; of this service
            alone, shared by any number of processes. Without it they are in memory only.
        interval_seconds: how long increments are gathered before they become a batch.
        batch_keys, batch_bytes: the most keys and bytes of a batch, at which it does not wait any
            longer. They have to keep the service's limits: 10,000 and its MAX_BODY_BYTES.
        max_keys: the most distinct keys that are in memory. Past it, `increment` raises Full for
            other keys.
        max_spool_bytes: the most that the spool takes on disk, of all processes. Past it, what is
            gathered stays in memory.
        timeout_seconds: how long to wait for the service until the batch is sent again: for a
            connection, for it to take the request, and for the whole reply, each.
        max_pause_seconds: the longest pause between two attempts that the service does not ask for.
        exit_seconds: how long the end of the process, and `close`, wait for all to be sent.
        ssl_context: for https; Python's default where it is absent.

    Times are up to a year.

    Raises:
        ValueError: an argument cannot work.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        spool: str | os.PathLike[str] | None = None,
        interval_seconds: float = 1,
        batch_keys: int = 1000,
        batch_bytes: int = 500_000,
        max_keys: int = 100_000,
        max_spool_bytes: int = 64 * 1024**2,
        timeout_seconds: float = 10,
        max_pause_seconds: float = 30,
        exit_seconds: float = 5,
        ssl_context: SSLContext | None = None,
    ) -> None:
        self._settings = Settings(
            url=url,
            token=token,
            spool=None if spool is None else Path(spool).absolute(),
            interval_seconds=interval_seconds,
            batch_keys=batch_keys,
            batch_bytes=batch_bytes,
            max_keys=max_keys,
            max_spool_bytes=max_spool_bytes,
            timeout_seconds=timeout_seconds,
            max_pause_seconds=max_pause_seconds,
            exit_seconds=exit_seconds,
            ssl_context=ssl_context,
        )
        self.begin_anew()
        process_end.watch(self)

    def begin_anew(self) -> None:
        """Begin with nothing, in a new process: what its parent has gathered is the parent's."""
        self._delivery = Delivery(self._settings)
        self._add = self._add_and_start

    def _add_and_start(self, key: str, value: int) -> None:
        """Add until the threads run, which they do from the first increment on."""
        delivery = self._delivery
        delivery.gathering.add(key, value)
        if delivery.start():
            self._add = delivery.gathering.add

    def increment(self, key: str, value: int = 1) -> None:
        """Add `value` to the total of `key`, some time later. It does not wait for anything.

        Args:
            key: 1 to 255 characters without NUL.
            value: from -2**63 to 2**63 - 1.

        Raises:
            TypeError, ValueError: an argument is out of its limits.
            Full: `max_keys` other keys wait to be sent. It does not count.
            Closed: the counter is closed. It does not count.
        """
        self._add(key, value)

    def stats(self) -> Stats:
        """Return how it goes."""
        return self._delivery.stats()

    def close(self, timeout_seconds: float | None = None) -> int:
        """Send what is there, for so long at the most, and take no more.

        Args:
            timeout_seconds: where it is absent, `exit_seconds`. Where calls overlap, the shortest
                time is that of all.

        Returns:
            How many increments remain that the service has not answered. They are in the spool,
            where there is one, and the log has them otherwise.
        """
        seconds = self._settings.exit_seconds if timeout_seconds is None else timeout_seconds
        remaining = self._delivery.close(min(max(0, seconds), MAX_SECONDS))
        process_end.unwatch(self)
        return remaining

    async def aclose(self, timeout_seconds: float | None = None) -> int:
        """Do what `close` does, without holding up the event loop."""
        return await asyncio.to_thread(self.close, timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()
