"""What a journal holds, found out in a slow and obvious way, byte by byte."""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import error as StructError  # noqa: N812
from struct import unpack
from zlib import crc32

import msgspec

from counters.increments import MAX_VALUE, MIN_VALUE
from counters.records import Header

Pair = tuple[str, int]


class Newer(Exception):
    """There is a section of an unknown kind: a newer version has written it."""


@dataclass
class Found:
    """What stands in a part of a journal."""

    end: int
    pairs: list[Pair] = field(default_factory=list)
    damaged: list[tuple[int, int]] = field(default_factory=list)


def read_journal(data: bytes, header: Header, position: int, past_damage: bool) -> Found:
    """Return the increments after `position`, and which bytes are damaged.

    Raises:
        Newer: no increment of it may count.
    """
    at = max(position, header.size)
    found = Found(end=at)
    while at < len(data):
        length, pairs = _record(data[at:], header.mark)
        if not length:
            if not past_damage:
                return found
            if not found.damaged or found.damaged[-1][1] != at:
                found.damaged.append((at, at))
            found.damaged[-1] = (found.damaged[-1][0], at + 1)
        found.pairs += pairs
        at += length or 1
        found.end = at
    return found


def _record(data: bytes, mark: bytes) -> tuple[int, list[Pair]]:
    """Return the length of the record at the beginning of `data`, and its increments.

    The length is 0 where there is no whole record.
    """
    if len(data) < 16 or data[:8] != mark:
        return 0, []
    length, checksum = unpack("<II", data[8:16])
    content = data[16 : 16 + length]
    if not length or len(content) < length or crc32(data[:12] + content) != checksum:
        return 0, []
    try:
        return 16 + length, _sections(content)
    except (StructError, ValueError, RecursionError):
        return 0, []


def _sections(content: bytes) -> list[Pair]:
    if not content:
        return []
    kind, length = content[:1], unpack("<I", content[1:5])[0]
    section, rest = content[5 : 5 + length], content[5 + length :]
    if len(section) < length:
        raise ValueError("cut off")
    if kind == b"I":
        pairs = _increments(section)
    elif kind == b"J":
        pairs = _batch(section)
    else:
        raise Newer
    return pairs + _sections(rest)


def _increments(section: bytes) -> list[Pair]:
    (count,) = unpack("<I", section[:4])
    if count > len(section):
        raise ValueError("cut off")
    values = unpack(f"<{count}q", section[4 : 4 + 8 * count])
    lengths = unpack(f"<{count}H", section[4 + 8 * count : 4 + 10 * count])
    keys, pairs = section[4 + 10 * count :], []
    if sum(lengths) != len(keys):
        raise ValueError("cut off")
    for value, length in zip(values, lengths, strict=True):
        pairs.append((keys[:length].decode(), value))
        keys = keys[length:]
    return pairs


class _Item(msgspec.Struct):
    key: str
    value: int


def _batch(section: bytes) -> list[Pair]:
    items = msgspec.json.decode(section, type=list[_Item])
    if not all(MIN_VALUE <= item.value <= MAX_VALUE for item in items):
        raise ValueError("a value is out of range")
    return [(item.key, item.value) for item in items]
