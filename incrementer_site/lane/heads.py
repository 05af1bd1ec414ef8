"""Heads of requests: what the bytes before a body mean, looked at once and remembered.

A client that keeps its connection sends the same request line and headers each time. What the
parser once read as an increment means the same when the same bytes come again, so the parser is not
asked any more.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import msgspec

from counters.web import cors, health, idempotency, increment, numbers
from counters.web.conditional import for_client
from counters.web.endpoints import answer, endpoint_at, handler_of
from counters.web.increment import Read, reader_of, wants_representation
from counters.web.lookup import Lookup
from counters.web.replies import Reply
from counters.web.request import BadRequest, Fields, Request, unescaped_path
from incrementer_site.lane.limits import Limits

Headers = list[tuple[bytes, bytes]]

_INCREMENT = increment.PATH.encode()
_HEALTH = tuple(path.encode() for path in health.PATHS)
_TOTAL = numbers.PREFIX.encode()

_LOOKS = (b"GET", b"HEAD")

_FIELDS = {field.replace("_", "-").encode(): field for field in Fields._fields if field != "query"}
"""The names of the headers that matter, and of the fields that they are in."""
IDEMPOTENCY_KEY = idempotency.FIELD.lower().encode()

PERSISTS, CLOSE, KEEP_ALIVE = range(3)
CONNECTION = (b"", b"close", b"keep-alive")
"""What a reply's header Connection says: nothing, where an HTTP/1.1 connection stays open."""


class Head(msgspec.Struct, frozen=True, gc=False):
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
    style: int = PERSISTS
    """How the reply is to look; see `style_of`."""


def fit(reply: Reply, method: bytes) -> Reply:
    """Return a reply as it is to be sent: to HEAD, without its body."""
    return replace(reply, sends_body=False) if method == b"HEAD" else reply


def is_for_lane(method: bytes, target: bytes) -> bool:
    """Return whether the lane may answer requests with this line; `read_of` knows."""
    path = target.partition(b"?")[0]
    if method in _LOOKS:
        return path in _HEALTH or path.startswith(_TOTAL)
    return path == _INCREMENT and method in (b"POST", b"OPTIONS")


def read_of(method: bytes, target: bytes, fields: Fields) -> Read | Reply | Lookup | None:
    """Return how the body of a request is read that `is_for_lane`, or the reply that refuses it.

    Where it asks for a total, return what the reply needs; where the lane does not answer it after
    all, None.
    """
    raw_path = target.partition(b"?")[0]
    if raw_path == _INCREMENT and method == b"POST":
        return None if wants_representation(fields) else reader_of(fields)
    if raw_path == _INCREMENT:
        return increment.other_method(method.decode(), fields)
    try:
        request = Request(method.decode(), unescaped_path(raw_path), fields)
    except BadRequest as problem:
        return problem.reply
    if raw_path in _HEALTH:
        return lambda _: for_client(request, health.answer(request))
    return lookup_of(request)


def lookup_of(request: Request) -> Lookup | Reply:
    """Return what the reply to a request for a total needs, or the reply that refuses it."""
    handler = handler_of(request, endpoint_at(request.path) or {})
    found = handler if isinstance(handler, Reply) else answer(handler, request)
    if not isinstance(found, Lookup):
        assert isinstance(found, Reply)
        return for_client(request, found)
    if request.method == "GET" and not request.fields.if_none_match:
        return found
    render = found.render
    return found._replace(render=lambda totals: for_client(request, render(totals)))


def fields_of(headers: Headers, query: bytes) -> Fields:
    """Return what of a request's head matters; names of headers in lower case."""
    found: dict[str, list[bytes]] = {}
    for name, value in headers:
        if field := _FIELDS.get(name):
            found.setdefault(field, []).append(value)
    # Of several with one name, Django makes one like this.
    values = {field: b",".join(values).decode("latin1") for field, values in found.items()}
    return Fields(**values, query=query.decode("latin1"))


def has_id(headers: Headers) -> bool:
    """Return whether a request has an `Idempotency-Key`, right or wrong."""
    return any(name == IDEMPOTENCY_KEY for name, _ in headers)


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


def style_of(connection: int, fields: Fields) -> int:
    """Return the number of a style: which of `CONNECTION` a reply says, and to which page.

    In threes: each of `cors.all_headers` with each of `CONNECTION`.
    """
    return connection + len(CONNECTION) * cors.place_of(fields.origin)


def closing(style: int) -> int:
    """Return the style that is the same but for closing the connection."""
    return style - style % len(CONNECTION) + CLOSE


def closes(style: int) -> bool:
    return style % len(CONNECTION) == CLOSE


Known = TypeVar("Known")


class KnownHeads(dict[bytes, Known]):
    """What a worker remembers of heads, by their bytes."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def remember(self, raw: bytes, head: Known) -> None:
        """Remember what `raw` means, if it is short enough. Where there is no room, begin anew."""
        if len(raw) <= self._limits.max_known_head_bytes:
            if len(self) >= self._limits.max_known_heads:
                self.clear()
            self[raw] = head
