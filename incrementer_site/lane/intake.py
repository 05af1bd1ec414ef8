"""How much a worker looks at in one turn of the event loop, so that no client holds up the others.

What is short is looked at when it comes: nearly every request is. Of what is long, a turn takes so
much; the rest waits, and each of the connections that wait has a piece of it looked at in its turn.

A worked example, with 64 KiB to a turn and pieces of 16 KiB. Each of sixty clients has sent 64 KiB
of increments, one after the other. Those of the first are read at once, the 59 others wait. In each
of the next turns, four of them have a piece read, and an ordinary client's request is read, too.
"""

from __future__ import annotations

import asyncio
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
        self._piece_bytes = limits.max_piece_bytes
        self._incoming = incoming
        self._left_bytes = self._max_bytes
        self._will_renew = False
        self.waiting: dict[Connection, bytes] = {}

    def admits(self, count_bytes: int) -> bool:
        """Return whether so many bytes may be looked at in this turn; if so, they are spent."""
        if self.waiting or self._left_bytes < count_bytes:
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
        while self.waiting and self._left_bytes > 0:
            connection = next(iter(self.waiting))
            data = self.waiting.pop(connection)
            piece, rest = data[: self._piece_bytes], data[self._piece_bytes :]
            self.waiting[connection] = rest  # at the end; it is not read on meanwhile
            self._incoming.give_back(len(piece))
            self.spend(len(piece))
            connection.take(piece)
            if not rest and self.waiting.pop(connection, None) is not None:
                connection.reads_on()
