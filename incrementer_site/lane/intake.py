"""How much a worker looks at in one turn of the event loop, so that no client holds up the others.

What is short is looked at when it comes: nearly every request is. Of what is long, a turn takes so
much; the rest waits, and each of the connections that wait has a piece of it looked at in its turn.

A worked example. Of sixty clients, each has sent 256 KiB of increments, one after the other. Looked
at as a whole, that would take a worker 30 ms. So all of them wait, and in each of the next turns
one has a piece of 16 KiB looked at. An ordinary client's request is looked at in every turn.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from incrementer_site.incoming import IncomingBytes
from incrementer_site.lane.limits import Limits


class Connection(Protocol):
    """A connection that has to wait, and is not read meanwhile."""

    @property
    def is_ready(self) -> bool: ...
    def take(self, data: bytes) -> None: ...
    def reads_on(self) -> None: ...


class Intake:
    """What of the clients' bytes is looked at in this turn, and what waits for a later one.

    Attributes:
        waiting: what has arrived of each connection that waits. That of the longest wait is first.
    """

    def __init__(self, limits: Limits, incoming: IncomingBytes) -> None:
        self._max_bytes = limits.max_intake_bytes
        self._request_cost_bytes = limits.request_cost_bytes
        self._piece_cost = limits.piece_cost
        self._max_whole_bytes = limits.max_whole_bytes
        self._piece_bytes = limits.max_piece_bytes
        self._piece_requests = limits.max_piece_requests
        self._newcomers_share = limits.newcomers_share
        self._has_newcomers = False
        self._incoming = incoming
        self._left_bytes = self._max_bytes
        self._will_renew = False
        self.waiting: dict[Connection, bytes] = {}
        self._parked: dict[Connection, bytes] = {}

    def admits(self, data: bytes) -> bool:
        """Return whether `data` may be looked at in this turn; if so, it is spent."""
        if self.waiting:
            return False
        cost_bytes = self._cost_bytes(data)
        if cost_bytes > self._left_bytes:
            return False
        self.spend(cost_bytes)
        return True

    def _cost_bytes(self, data: bytes) -> int:
        weight = 1 if len(data) <= self._max_whole_bytes else self._piece_cost
        return weight * len(data) + self._request_cost_bytes * data.count(b"\r\n\r\n")

    def spend(self, count_bytes: int) -> None:
        """Count what is looked at in this turn."""
        self._left_bytes -= count_bytes
        self._renew_soon()

    def wait(self, connection: Connection, data: bytes) -> bool:
        """Have `data` wait for a later turn; return False where there is no room for it."""
        may_be_whole = len(data) <= self._max_whole_bytes
        if not self._incoming.take(len(data), may_be_whole=may_be_whole):
            return False
        self.waiting[connection] = data
        self._renew_soon()
        return True

    def newcomer(self) -> None:
        """Note that a client has connected: more may be waiting for that."""
        self._has_newcomers = True

    def unpark(self, connection: Connection) -> None:
        """Look at what a connection has sent, now that it is ready for that."""
        data = self._parked.pop(connection, None)
        if data is not None:  # where it is empty, the connection still has to be read on
            self.waiting[connection] = data
            self._renew_soon()

    def forget(self, connection: Connection) -> None:
        """Throw away what waits of a connection that is lost."""
        data = self.waiting.pop(connection, b"") or self._parked.pop(connection, b"")
        self._incoming.give_back(len(data))

    def _renew_soon(self) -> None:
        if not self._will_renew:
            self._will_renew = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        """Begin a turn: those that have waited come first."""
        self._will_renew = False
        self._left_bytes = self._max_bytes
        if self._has_newcomers:
            self._left_bytes //= self._newcomers_share
            self._has_newcomers = False
        while self.waiting and self._left_bytes > 0:
            connection = next(iter(self.waiting))
            data = self.waiting.pop(connection)
            if connection.is_ready:
                self._take(connection, data)
            else:
                self._parked[connection] = data
        if self.waiting:
            self._renew_soon()

    def _take(self, connection: Connection, data: bytes) -> None:
        """Have a connection take `data`, or the next piece of it."""
        piece, rest = data, b""
        cost_bytes = self._cost_bytes(piece)
        if cost_bytes > self._max_bytes:
            end = self._piece_end(data)
            piece, rest = data[:end], data[end:]
            cost_bytes = self._cost_bytes(piece) * self._piece_cost
        self.waiting[connection] = rest  # at the end; it is not read on meanwhile
        self._incoming.give_back(len(piece))
        # Where there is nothing to take, it is to be read on.
        self.spend(cost_bytes or self._piece_cost * self._piece_bytes)
        if piece:
            connection.take(piece)
        if not rest and self.waiting.pop(connection, None) is not None:
            connection.reads_on()

    def _piece_end(self, data: bytes) -> int:
        end = 0
        for _ in range(self._piece_requests):
            found = data.find(b"\r\n\r\n", end, self._piece_bytes)
            if found < 0:
                return self._piece_bytes
            end = found + 4
        return end
