"""A request that carries an id: however often it comes, it counts once."""

from __future__ import annotations

import zlib

import msgspec

from counters.increments import Batch, Increment

MAX_ID_LENGTH = 64
"""Longest id of a request, in characters."""


class Identified(msgspec.Struct, frozen=True, gc=False):
    """A request with its id.

    Attributes:
        id: 1 to `MAX_ID_LENGTH` characters of printable ASCII.
        request: what counts, where the id is new.
    """

    id: str
    request: Increment | Batch


class IdReused(msgspec.Struct, frozen=True, gc=False):
    """Why a request is refused: its id came before, with another request."""


def fingerprint(request: Increment | Batch) -> int:
    """Return 32 bits that tell a request from most others that come with the same id.

    Of a single increment they are of its key and value, of a batch of its JSON as it came.
    """
    if isinstance(request, Increment):
        return zlib.crc32(b"%d %s" % (request.value, request.key.encode()))
    return zlib.crc32(request.json or msgspec.json.encode(request.increments))
