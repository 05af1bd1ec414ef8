"""Heads of increments: what the bytes before a body mean, looked at once and remembered.

A client that keeps its connection sends the same request line and headers each time. What the
parser once read as an increment means the same when the same bytes come again, so the parser is not
asked any more.
"""

from __future__ import annotations

from dataclasses import dataclass

from counters.web.increment import PATH, Read, reader_of
from counters.web.replies import Reply
from incrementer_site.lane.limits import Limits

Headers = list[tuple[bytes, bytes]]

_PATH = PATH.encode()


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's line and headers say, where the lane answers it."""

    read: Read
    """Makes increments of a body, or the reply that refuses it."""
    body_bytes: int
    """Length of the body."""
    closes: bool
    """Whether the client wants the connection closed after the reply."""


def is_increment(method: bytes, target: bytes, version: str, headers: Headers) -> bool:
    """Return whether the lane can answer a request with this line and these headers."""
    if method != b"POST" or version != "1.1":
        return False
    if target != _PATH and not target.startswith(_PATH + b"?"):
        return False
    content_types = 0
    for name, value in headers:
        if name == b"content-type":
            content_types += 1
        elif name == b"expect" or (
            name == b"transfer-encoding" and value.strip().lower() != b"chunked"
        ):
            return False
    return content_types <= 1


def head_of(headers: Headers, body_bytes: int, closes: bool) -> Head:
    """Return the head of an increment that has these headers, names in lower case."""
    read = reader_of(
        content_type=_joined(headers, b"content-type"),
        authorization=_joined(headers, b"authorization"),
        transfer_encoding=_joined(headers, b"transfer-encoding"),
    )
    return Head((lambda body: read) if isinstance(read, Reply) else read, body_bytes, closes)


def _joined(headers: Headers, wanted: bytes) -> str:
    """Return the value of a header; of several, what Django makes of them."""
    return ",".join(value.decode("latin1") for name, value in headers if name == wanted)


class KnownHeads(dict[bytes, Head]):
    """The heads that a worker remembers, by their bytes."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def remember(self, raw: bytes, head: Head) -> None:
        """Remember what `raw` means, if it is short enough. Where there is no room, begin anew."""
        if len(raw) <= self._limits.max_known_head_bytes:
            if len(self) >= self._limits.max_known_heads:
                self.clear()
            self[raw] = head
