"""A request with an id: however often it is sent, it counts once."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from counters.increments import Batch, Increment, increments_of

MAX_ID_LENGTH = 64
"""Longest id of a request, in characters."""


class Identified(msgspec.Struct, frozen=True, gc=False):
    """An increment or a batch, with the id of its request. `identified` makes one.

    Attributes:
        id: 1 to `MAX_ID_LENGTH` printable characters of ASCII.
        fingerprint: 32 bits that tell it from other requests with the same id.
    """

    id: str
    request: Increment | Batch
    fingerprint: int

    @property
    def increments(self) -> Sequence[Increment]:
        """What it adds."""
        return increments_of(self.request)


class Copy(msgspec.Struct, frozen=True, gc=False):
    """Where a request with an id stands in a journal. Others of it may stand elsewhere.

    Attributes:
        fingerprint: that of the request.
        begin: where its record begins, in bytes from the file's beginning.
    """

    fingerprint: int
    begin: int


class IdReused:
    """Why a request is refused: its id was that of a request with another body."""


ID_REUSED = IdReused()


def identified(id_: str, request: Increment | Batch) -> Identified:
    """Return a request with its id. A batch has to have the JSON that it came in."""
    if isinstance(request, Increment):
        return Identified(id_, request, fingerprint_of(request.key, request.value))
    return Identified(id_, request, fingerprint_of_json(request.json))


def fingerprint_of(key: str, value: int) -> int:
    """Return the fingerprint of a request for one increment."""
    return crc32(b"%d %b" % (value, key.encode()))


def fingerprint_of_json(json: bytes) -> int:
    """Return the fingerprint of a batch that came as this JSON list."""
    return crc32(json)
