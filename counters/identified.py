"""A request with an id: however often it is sent, it counts once."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import msgspec

from counters.increments import Batch, Increment

MAX_ID_LENGTH = 64
"""Longest id of a request, in characters."""


class Once(msgspec.Struct, frozen=True, gc=False):
    """What the request with an id adds: keys, each with a value.

    It may stand in several journals, and more than once in each: it is added if its id is new to
    the database.

    Attributes:
        fingerprint: 32 bits that tell it from other requests with the same id.
    """

    fingerprint: int
    pairs: Sequence[tuple[str, int]]


class Identified(msgspec.Struct, frozen=True, gc=False):
    """An increment or a batch, with the id of its request. `identified` makes one.

    Attributes:
        id: 1 to `MAX_ID_LENGTH` printable characters of ASCII.
        once: what the request adds.
    """

    id: str
    request: Increment | Batch
    once: Once


class IdReused:
    """Why a request is refused: its id was that of a request with another body."""


ID_REUSED = IdReused()


def identified(id_: str, request: Increment | Batch) -> Identified:
    """Return a request with its id. A batch has to have the JSON that it came in."""
    if isinstance(request, Increment):
        return Identified(id_, request, once_of(request.key, request.value))
    pairs = [(each.key, each.value) for each in request.increments]
    return Identified(id_, request, once_of_json(request.json, pairs))


def once_of(key: str, value: int) -> Once:
    return Once(crc32(b"%d %b" % (value, key.encode())), ((key, value),))


def once_of_json(json: bytes, pairs: Sequence[tuple[str, int]]) -> Once:
    """Return what a batch adds that came as this JSON list."""
    return Once(crc32(json), pairs)
