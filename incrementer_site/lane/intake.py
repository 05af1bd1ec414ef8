"""How much a worker looks at in one turn of the event loop, so that no client holds up the others.

What is short is looked at when it comes: nearly every request is. Of what is long, a turn takes so
much; the rest waits, and each of the connections that wait has a piece of it looked at in its turn.

A worked example. Of sixty clients, each has sent 256 KiB of increments, one after the other. All
of them wait. In each of the next turns, some have a piece of 64 KiB looked at, as many as it takes
2 ms for; and an ordinary client's request is looked at, too.
"""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from incrementer_site.incoming import IncomingBytes
from incrementer_site.lane.limits import Limits


class Connection(Protocol):
    """A connection that has to wait, and is not read meanwhile."""

    def take(self, data: bytes) -> None: ...
    def reads_on(self) -> None: ...


class Intake:
    """What of the clients' bytes is looked at in this turn, and what waits for a later one.

    Attributes:
        waiting: what has arrived of each connection that waits. That of the longest wait is first.
    """

    def __init__(self, limits: Limits, incoming: IncomingBytes) -> None:
        self._max_bytes = limits.max_intake_bytes
        self._max_seconds = limits.max_intake_seconds
        self._piece_bytes = limits.max_piece_bytes
        self._incoming = incoming
        self._left_bytes = self._max_bytes
        self._end_seconds = 0.0  # of this turn, on the clock of time.perf_counter
        self._will_renew = False
        self.waiting: dict[Connection, bytes] = {}

    def admits(self, count_bytes: int) -> bool:
        """Return whether so many bytes may be looked at in this turn; if so, they are spent."""
        if self.waiting or count_bytes > min(self._left_bytes, self._piece_bytes):
            return False
        if not self._will_renew:  # it is the first read of this turn that is not short
            self._end_seconds = time.perf_counter() + self._max_seconds
        elif time.perf_counter() > self._end_seconds:
            return False
        self.spend(count_bytes)
        return True

    def spend(self, count_bytes: int) -> None:
        """Count bytes that are looked at in this turn."""
        self._left_bytes -= count_bytes
        self._renew_soon()

    def wait(self, connection: Connection, data: bytes) -> bool:
        """Have `data` wait for a later turn; return False where there is no room for it."""
        if not self._incoming.take(len(data)):
            return False
        self.waiting[connection] = data
        self._renew_soon()
        return True

    def forget(self, connection: Connection) -> None:
        """Throw away what waits of a connection that is lost."""
        self._incoming.give_back(len(self.waiting.pop(connection, b"")))

    def _renew_soon(self) -> None:
        if not self._will_renew:
            self._will_renew = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        """Begin a turn: those that have waited come first."""
        self._will_renew = False
        self._left_bytes = self._max_bytes
        self._end_seconds = time.perf_counter() + self._max_seconds
        while self.waiting and self._left_bytes > 0 and time.perf_counter() < self._end_seconds:
            connection = next(iter(self.waiting))
            data = self.waiting.pop(connection)
            piece, rest = data[: self._piece_bytes], data[self._piece_bytes :]
            self.waiting[connection] = rest  # at the end; it is not read on meanwhile
            self._incoming.give_back(len(piece))
            self.spend(len(piece) or self._piece_bytes)  # with nothing to take, it is read on
            if piece:
                connection.take(piece)
            if not rest and self.waiting.pop(connection, None) is not None:
                connection.reads_on()
        if self.waiting:
            self._renew_soon()
