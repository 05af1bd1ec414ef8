"""Heads of requests: what the bytes before a body mean, looked at once and remembered.

A client that keeps its connection sends the same request line and headers each time. What the
parser once read as an increment means the same when the same bytes come again, so the parser is not
asked any more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from counters.web import health
from counters.web.increment import PATH, Fields, Read, reader_of
from counters.web.replies import Reply
from incrementer_site.lane.limits import Limits

Headers = list[tuple[bytes, bytes]]

_PATH = PATH.encode()
_HEALTH = {path.encode(): path for path in health.PATHS}

_LOOKS = (b"GET", b"HEAD")

_FIELDS = {field.replace("_", "-").encode(): field for field in Fields._fields if field != "query"}
"""The names of the headers that matter, and of the fields that they are in."""

PERSISTS, CLOSE, KEEP_ALIVE = range(3)
CONNECTION = (b"", b"close", b"keep-alive")
"""What a reply's header Connection says: nothing, where an HTTP/1.1 connection stays open."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's line and headers say, where the lane answers it."""

    read: Read
    """Makes increments of a body, or the reply that refuses it."""
    body_bytes: int
    """Length of the body."""
    method: bytes
    target: bytes
    version: str
    headers: Headers
    """For the access log, as the three before."""
    connection: int = PERSISTS
    """Which of `CONNECTION` the reply is to say: `PERSISTS`, `CLOSE` or `KEEP_ALIVE`."""


def is_for_lane(method: bytes, target: bytes) -> bool:
    """Return whether the lane answers requests with this line."""
    path = target.partition(b"?")[0]
    return (method == b"POST" and path == _PATH) or (method in _LOOKS and path in _HEALTH)


def read_of(method: bytes, target: bytes, headers: Headers) -> Read | Reply:
    """Return how the body of a request is read that `is_for_lane`, or the reply that refuses it.

    Args:
        headers: names in lower case.
    """
    path, _, query = target.partition(b"?")
    fields = fields_of(headers, query)
    if health_path := _HEALTH.get(path):
        sends_body = method != b"HEAD"
        return lambda _: replace(
            health.answer(health_path, method.decode(), fields.authorization), sends_body=sends_body
        )
    return reader_of(fields)


def fields_of(headers: Headers, query: bytes) -> Fields:
    """Return what of a request's head matters; names of headers in lower case."""
    found: dict[str, list[bytes]] = {}
    for name, value in headers:
        if field := _FIELDS.get(name):
            found.setdefault(field, []).append(value)
    # Of several with one name, Django makes one like this.
    values = {field: b",".join(values).decode("latin1") for field, values in found.items()}
    return Fields(**values, query=query.decode("latin1"))


def content_length_bytes(headers: Headers) -> int:
    """Return the Content-Length, which the parser has accepted; 0 where there is none."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0


def connection_of(version: str, headers: Headers, *, keeps_alive: bool) -> int:
    """Return which of `CONNECTION` the reply to a request is to say.

    Args:
        version: of HTTP: "1.0" or "1.1".
        keeps_alive: whether the request leaves the connection open.
    """
    if version == "1.1":
        return PERSISTS if keeps_alive else CLOSE
    # In HTTP/1.0 nobody knows whether a proxy on the way has read the chunks (RFC 9112, 6.1).
    is_chunked = any(name == b"transfer-encoding" for name, _ in headers)
    return KEEP_ALIVE if keeps_alive and not is_chunked else CLOSE


def expects_continue(version: str, headers: Headers) -> bool:
    """Return whether the client waits for a word before it sends the body (RFC 9110, 10.1.1)."""
    return version == "1.1" and any(
        name == b"expect" and value.strip().lower() == b"100-continue" for name, value in headers
    )


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
