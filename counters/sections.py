"""From requests to the sections of one record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct

from counters.identified import Identified
from counters.increments import Batch, Increment

SECTION = Struct("<cI")
"""What a section begins with: its kind, and the length of its content."""
INCREMENTS, JSON, INCREMENTS_ONCE, JSON_ONCE = b"I", b"J", b"K", b"L"

Request = Increment | Batch | Identified


@dataclass(slots=True)
class Requests:
    """Requests by their kinds."""

    singles: list[Increment]
    batches: list[Batch] = field(default_factory=list)
    identified: list[Identified] = field(default_factory=list)

    @property
    def entries(self) -> int:
        """How many entries they take in memory at the most: an id takes one of its own."""
        entries = len(self.singles)
        for batch in self.batches:
            entries += len(batch.increments)
        for identified in self.identified:
            entries += 1 + len(identified.increments)
        return entries


def split(requests: Sequence[Request]) -> Requests:
    singles = [request for request in requests if isinstance(request, Increment)]
    if len(singles) == len(requests):
        return Requests(singles)
    return Requests(
        singles,
        [request for request in requests if isinstance(request, Batch)],
        [request for request in requests if isinstance(request, Identified)],
    )


def sections_of(requests: Requests) -> list[bytes]:
    """Return the parts of one section for all single increments, and one for each batch.

    Those with ids have sections of their own.
    """
    parts = increments_section(requests.singles) if requests.singles else []
    for batch in requests.batches:
        if batch.json:
            parts += batch_section(batch.json)
        else:
            parts += increments_section(batch.increments)
    if requests.identified:
        parts += _identified_sections(requests.identified)
    return parts


def increments_section(increments: Sequence[Increment]) -> list[bytes]:
    """Return the section of `increments`, in parts."""
    keys = [increment.key for increment in increments]
    text = "".join(keys)
    if text.isascii():
        names = text.encode()
        lengths = map(len, keys)
    else:
        encoded = [key.encode() for key in keys]
        names = b"".join(encoded)
        lengths = map(len, encoded)
    columns = columns_of(len(keys))
    values = [increment.value for increment in increments]
    return [
        SECTION.pack(INCREMENTS, columns.size + len(names)),
        columns.pack(len(keys), *values, *lengths),
        names,
    ]


def _identified_sections(requests: Sequence[Identified]) -> list[bytes]:
    parts: list[bytes] = []
    ids: list[bytes] = []
    increments: list[Increment] = []
    for each in requests:
        id_ = each.id.encode()
        if isinstance(each.request, Increment):
            ids.append(id_)
            increments.append(each.request)
        else:
            json = each.request.json
            parts += [
                SECTION.pack(JSON_ONCE, 1 + len(id_) + len(json)),
                bytes([len(id_)]),
                id_,
                json,
            ]
    if increments:
        keys = [increment.key.encode() for increment in increments]
        values = [increment.value for increment in increments]
        columns = columns_once(len(keys))
        lengths = (*map(len, keys), *map(len, ids))
        content = [columns.pack(len(keys), *values, *lengths), *keys, *ids]
        parts += [SECTION.pack(INCREMENTS_ONCE, sum(map(len, content))), *content]
    return parts


@lru_cache(maxsize=2048)
def columns_of(count: int) -> Struct:
    """Return how a section of increments begins: their count, values, and lengths of keys."""
    return Struct(f"<I{count}q{count}H")


@lru_cache(maxsize=256)
def columns_once(count: int) -> Struct:
    """Return the same for increments with ids, whose lengths follow."""
    return Struct(f"<I{count}q{count}H{count}B")


def batch_section(json: bytes) -> list[bytes]:
    """Return the section of a JSON list of increments, in parts."""
    return [SECTION.pack(JSON, len(json)), json]
