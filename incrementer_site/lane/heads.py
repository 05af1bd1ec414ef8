"""Heads of requests: what the bytes before a body mean, looked at once and remembered.

A client that keeps its connection sends the same request line and headers each time. What the
parser once read as an increment means the same when the same bytes come again, so the parser is not
asked any more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from counters.web import health, replies
from counters.web.increment import PATH, Fields, Read, reader_of
from counters.web.replies import Reply
from incrementer_site.lane.limits import Limits

Headers = list[tuple[bytes, bytes]]

_PATH = PATH.encode()
_HEALTH = {path.encode(): path for path in health.PATHS}

_FIELDS = {field.replace("_", "-").encode(): field for field in Fields._fields}
"""The names of the headers that matter, and of the fields that they are in."""

_is_host = re.compile(rb"[\w.~!$&'()*+,;=%:\[\]-]*").fullmatch
"""What may stand in a host and a port (RFC 3986, 3.2.2)."""


@dataclass(frozen=True, slots=True)
class Head:
    """What a request's line and headers say, where the lane answers it."""

    read: Read
    """Makes increments of a body, or the reply that refuses it."""
    body_bytes: int
    """Length of the body."""
    closes: bool
    """Whether the client wants the connection closed after the reply."""
    method: bytes
    target: bytes
    version: str
    headers: Headers
    """For the access log, as the three before."""


def is_for_lane(method: bytes, target: bytes, version: str, headers: Headers) -> bool:
    """Return whether the lane can answer a request with this line and these headers."""
    if version != "1.1":
        return False
    path = target.partition(b"?")[0]
    if not (method == b"POST" and path == _PATH) and not (method == b"GET" and path in _HEALTH):
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


def read_of(target: bytes, headers: Headers) -> Read | Reply:
    """Return how the body of a request is read that `is_for_lane`, or the reply that refuses it.

    Args:
        headers: names in lower case.
    """
    fields = fields_of(headers)
    if path := _HEALTH.get(target.partition(b"?")[0]):
        return lambda _: health.answer(path, "GET", fields.authorization)
    return reader_of(fields)


def fields_of(headers: Headers) -> Fields:
    """Return what of a request's headers matters; names in lower case."""
    found: dict[str, list[bytes]] = {}
    for name, value in headers:
        if field := _FIELDS.get(name):
            found.setdefault(field, []).append(value)
    # Of several with one name, Django makes one like this.
    return Fields(**{field: b",".join(values).decode("latin1") for field, values in found.items()})


def content_length_bytes(headers: Headers) -> int:
    """Return the Content-Length, which the parser has accepted; 0 where there is none."""
    for name, value in headers:
        if name == b"content-length":
            return int(value)
    return 0


def wrong_host(version: str, headers: Headers) -> Reply | None:
    """Return the reply to a request whose Host is not as it has to be (RFC 9112, 3.2)."""
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return replies.error(400, "Host is given twice", field="Host")
    if not hosts and version == "1.1":
        return replies.error(400, "Host is missing", field="Host")
    if hosts and not _is_host(hosts[0]):
        return replies.error(400, "Host is no host", field="Host")
    return None


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
