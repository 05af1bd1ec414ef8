"""What the content of a record says: sections to increments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from counters.identified import fingerprint_of, fingerprint_of_json
from counters.increments import MAX_VALUE, MIN_VALUE
from counters.records import Header, JournalUnreadable
from counters.sections import (
    INCREMENTS,
    INCREMENTS_ONCE,
    JSON,
    JSON_ONCE,
    SECTION,
    columns_of,
    columns_once,
)

_count = Struct("<I")
_entry_1 = Struct("<qH")
_INCREMENTS_1, _JSON_1 = b"I", b"B"

Pairs = list[tuple[str, int]]


class Damaged(ValueError):
    """The content of a record is not what a record holds."""


class Once(NamedTuple):
    """A request with an id: what is to be added once."""

    id: str
    fingerprint: int
    pairs: Pairs


@dataclass(slots=True)
class Content:
    """What a record says."""

    pairs: Pairs = field(default_factory=list)
    """Keys, each with a value to add."""
    identified: list[Once] = field(default_factory=list)


class _AnyIncrement(msgspec.Struct, gc=False):
    """An increment with no limits but the format's: those of requests may change."""

    key: str
    value: Annotated[int, Meta(ge=MIN_VALUE, le=MAX_VALUE)]


_decode_batch: Callable[[bytes], list[_AnyIncrement]] = msgspec.json.Decoder(
    list[_AnyIncrement]
).decode


def decode_content(header: Header, content: bytes) -> Content:
    """Return what the content of a record says.

    Raises:
        JournalUnreadable: there is a section of a newer version.
        Damaged: it is not the content of a record.
    """
    try:
        if header.version == 1:
            return Content(_decode_1(content))
        return _decode_sections(content)
    except (StructError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Damaged from error


def _decode_sections(content: bytes) -> Content:
    found = Content()
    at = 0
    while at < len(content):
        kind, length = SECTION.unpack_from(content, at)
        at += SECTION.size + length
        if at > len(content):
            raise Damaged
        section = content[at - length : at]
        if kind == INCREMENTS:
            found.pairs += _decode_increments(section)
        elif kind == JSON:
            found.pairs += _decode_json(section)
        elif kind == INCREMENTS_ONCE:
            found.identified += _decode_increments_once(section)
        elif kind == JSON_ONCE:
            found.identified.append(_decode_json_once(section))
        else:
            raise _newer(kind)
    return found


def _decode_increments(section: bytes) -> Pairs:
    count = _count_of(section)
    _, *numbers = columns_of(count).unpack_from(section)
    keys = _texts(section, columns_of(count).size, numbers[count:])
    return list(zip(keys, numbers[:count], strict=True))


def _decode_increments_once(section: bytes) -> list[Once]:
    count = _count_of(section)
    _, *numbers = columns_once(count).unpack_from(section)
    texts = _texts(section, columns_once(count).size, numbers[count:])
    keys, ids = texts[:count], texts[count:]
    return [
        Once(id_, fingerprint_of(key, value), [(key, value)])
        for id_, key, value in zip(ids, keys, numbers[:count], strict=True)
    ]


def _decode_json_once(section: bytes) -> Once:
    end_of_id = 1 + section[0]
    json = section[end_of_id:]
    return Once(section[1:end_of_id].decode(), fingerprint_of_json(json), _decode_json(json))


def _count_of(section: bytes) -> int:
    """Return how many increments a section says that it has, if it may."""
    count: int = _count.unpack_from(section)[0]
    if count > len(section):
        raise Damaged
    return count


def _texts(section: bytes, begin: int, lengths: Sequence[int]) -> list[str]:
    """Return the texts that stand from `begin` to the end of a section."""
    if begin + sum(lengths) != len(section):
        raise Damaged
    texts, at = [], begin
    for length in lengths:
        texts.append(section[at : at + length].decode())
        at += length
    return texts


def _decode_1(content: bytes) -> Pairs:
    kind, entries = content[:1], content[1:]
    if kind == _JSON_1:
        return _decode_json(entries)
    if kind != _INCREMENTS_1:
        raise _newer(kind)
    pairs, at = [], 0
    while at < len(entries):
        value, length = _entry_1.unpack_from(entries, at)
        at += _entry_1.size + length
        if at > len(entries):
            raise Damaged
        pairs.append((entries[at - length : at].decode(), value))
    return pairs


def _decode_json(json: bytes) -> Pairs:
    try:
        increments = _decode_batch(json)
    except RecursionError:
        # Something is nested deeply, and the stack is deeper here than where it was accepted. That
        # of a new thread is not.
        with ThreadPoolExecutor(1) as thread:
            increments = thread.submit(_decode_batch, json).result()
    return [(increment.key, increment.value) for increment in increments]


def _newer(kind: bytes) -> JournalUnreadable:
    return JournalUnreadable(f"holds records of kind {kind!r}: it was written by a newer version")
