"""What the connections of one worker share."""

from __future__ import annotations

from email.utils import formatdate
from functools import cache
from typing import Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from counters.config import config
from counters.web import cors
from counters.web.replies import RECORDED, Reply
from incrementer_site.incoming import incoming_increments
from incrementer_site.lane.askers import KnownAskers
from incrementer_site.lane.heads import CONNECTION, Head, Headers, KnownHeads, has_id
from incrementer_site.lane.identified_heads import KnownIdentified
from incrementer_site.lane.intake import Intake
from incrementer_site.lane.limits import Limits
from incrementer_site.lane.turn import Turn


class Connection(Protocol):
    """A connection, as far as the lane minds it."""

    def close_if_too_slow(self) -> None: ...


class Lane:
    """The state of a worker; each of its connections is handed it.

    Attributes:
        connections: the open ones.
        turn: the increments that have arrived since the event loop last came round.
        incoming: what may be held of requests that have not arrived whole.
        intake: how much is looked at in a turn.
        known_heads: what the parser made of heads that came before.
        known_identified: the same of heads with an id, by all but the id.
        known_askers: what it made of heads that ask for a total, by all but their first line.
        max_body_bytes: longest body that is accepted.
        seconds: since the worker started, as `tick` counts them.
        is_ending: whether the worker shuts down: the next reply on each connection closes it.
        recorded: the reply to an increment, in each style.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.connections: set[Connection] = set()
        self.turn = Turn(limits)
        self.incoming = incoming_increments()
        self.intake = Intake(limits, self.incoming)
        self.known_heads = KnownHeads[Head](limits)
        self.known_identified = KnownIdentified(limits)
        self.known_askers = KnownAskers(limits)
        self.max_body_bytes = config().max_body_bytes
        self.seconds = 0
        self.is_ending = False
        self._renew_recorded()

    def end(self) -> None:
        """Have the next reply on each connection close it: the worker shuts down."""
        self.is_ending = True
        self.known_heads.clear()  # which say that the connection stays open
        self.known_identified.clear()
        self.known_askers.clear()

    def remember(self, raw_head: bytes, head: Head) -> None:
        """Remember what the parser has made of a head whose request came alone and whole."""
        if has_id(head.headers):
            self.known_identified.remember_identified(raw_head, head)
        else:
            self.known_heads.remember(raw_head, head)

    def tick(self) -> None:
        """Close the connections that are too slow, and renew the Date; to be called each second."""
        self.seconds += 1
        for connection in list(self.connections):
            connection.close_if_too_slow()
        self._renew_recorded()

    def _renew_recorded(self) -> None:
        date = [(b"date", formatdate(usegmt=True).encode())]
        self.recorded = [serialize(RECORDED, date, style) for style in range(len(_ends_of_heads()))]


@cache
def _ends_of_heads() -> list[bytes]:
    """Return, for each style, the last lines of a reply's head."""
    return [
        b"".join(_line(*header) for header in headers)
        + (b"connection: %s\r\n" % connection if connection else b"")
        + b"\r\n"
        for headers in cors.all_headers()
        for connection in CONNECTION
    ]


def _line(name: str, text: str) -> bytes:
    return f"{name.lower()}: {text}\r\n".encode("latin1")


def serialize(reply: Reply, default_headers: Headers, style: int) -> bytes:
    """Return a reply's bytes.

    Args:
        style: see `heads.style_of`.
    """
    lines = [STATUS_LINE[reply.status]]
    lines += [b"%s: %s\r\n" % header for header in default_headers]
    lines += [_line(*header) for header in reply.all_headers()]
    return b"".join([*lines, _ends_of_heads()[style], reply.sent_body])
