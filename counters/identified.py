"""A request with an id: however often it is sent, it counts once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from isal.isal_zlib import crc32

from counters.increments import Batch, Increment, increments_of

MAX_ID_LENGTH = 64
"""Longest id of a request, in characters."""


class Identified(msgspec.Struct, frozen=True, gc=False):
    """An increment or a batch, with the id of its request. `identified` makes one.

    Attributes:
        id: 1 to `MAX_ID_LENGTH` printable characters of ASCII.
        fingerprint: 32 bits that tell it from other requests with the same id.
        checksum: 64 bits that tell its id from others, but for those that somebody has made to be
            alike: its CRC-32, and that of it reversed.
    """

    id: str
    request: Increment | Batch
    fingerprint: int
    checksum: int

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
        fingerprint = fingerprint_of(request.key, request.value)
    else:
        fingerprint = fingerprint_of_json(request.json)
    text = id_.encode()
    return Identified(id_, request, fingerprint, crc32(text) << 32 | crc32(text[::-1]))


def fingerprint_of(key: str, value: int) -> int:
    """Return the fingerprint of a request for one increment."""
    return crc32(b"%d %b" % (value, key.encode()))


def fingerprint_of_json(json: bytes) -> int:
    """Return the fingerprint of a batch that came as this JSON list."""
    return crc32(json)
