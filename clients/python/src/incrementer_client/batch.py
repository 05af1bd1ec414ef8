"""A batch: the bytes of one request, which are the same in each attempt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from incrementer_client.limits import MAX_VALUE, MIN_VALUE


@dataclass(slots=True, eq=False)
class Batch:
    body: bytes
    """A JSON list of sums, one for each key."""
    increments: int
    """How many calls are in it."""
    id: str | None = None
    """Its Idempotency-Key, or None where it was never sent, so that it cannot have counted."""
    path: Path | None = None
    """Its file in a spool."""
    problem: str = ""
    """What was last logged about this file."""


def batches(
    sums: Mapping[str, int], increments: int, max_keys: int, max_bytes: int
) -> Iterator[Batch]:
    """Yield the sums of `increments` calls in batches that keep the limits.

    Nobody knows how many calls each key had. So each batch but the last is said to have one call
    for each of its keys, and the last one has all others: together they are exact.
    """
    items: list[bytes] = []
    size = 0
    for item in _items(sums):
        if items and (len(items) == max_keys or size + len(item) + 2 > max_bytes):
            yield Batch(b"[%s]" % b",".join(items), len(items))
            increments -= len(items)
            items, size = [], 0
        items.append(item)
        size += len(item) + 1  # and a comma
    if items:
        yield Batch(b"[%s]" % b",".join(items), increments)


def _items(sums: Mapping[str, int]) -> Iterator[bytes]:
    for key, total in sums.items():
        name = json.dumps(key, ensure_ascii=False).encode()
        for part in _parts(total):
            yield b'{"key":%s,"value":%d}' % (name, part)


def _parts(total: int) -> Iterator[int]:
    """Yield `total` in parts that are values each: a sum may be beyond 64 bits.

    There are no more of them than calls that made the sum.
    """
    while total > MAX_VALUE:
        yield MAX_VALUE
        total -= MAX_VALUE
    while total < MIN_VALUE:
        yield MIN_VALUE
        total -= MIN_VALUE
    yield total
