"""The file format of a journal: increments to bytes, and back. It knows no Django and no HTTP.

All numbers are little-endian and unsigned, but for values. Checksums are CRC-32. Format 2, which
is written:

    header   100 bytes: twice the same 50, so that one damaged byte costs nothing
        22   "incrementer journal 2\\n"
        16   the id of the set of totals that the file is for, or of the place of the database,
             where its process has not reached that; zeros: for any
         8   the mark: random, and known to this file alone
         4   checksum of the 46 bytes above
    record   16 bytes and its sections; there is one for each write
         8   the mark
         4   length of the sections, in bytes
         4   checksum of mark, length and sections
    section  5 bytes and its content
         1   kind
         4   length of the content, in bytes

    kind     content
    I        increments: their count (4), their values (8 each, signed), the lengths of their keys
             in bytes (2 each), and the keys in UTF-8, one after the other
    J        a batch as it came: a JSON list of objects with `key` and `value`

Why there is a mark: after a damaged record, the next whole one is found by searching for it. A
client that could guess it would be able to put a record of its own into a key.

Why a new kind of section always means a new number in the header: a version that does not know the
kind then leaves the whole file alone. Should it meet an unknown kind behind a right checksum all
the same, the file is one of a newer version too, and not a damaged one.

Format 1 is still read. Its header is "incrementer journal 1\\n". A record is the length (4) and the
checksum (4) of its content, and the content: "I" and for each increment its value (8), the length
of its key (2) and its key; or "B" and a batch as it came. It has no mark, so nothing that stands
after a damaged record can be told from what a client wrote: it is not searched.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import Annotated, BinaryIO
from zlib import crc32

import msgspec
from msgspec import Meta

from counters.increments import MAX_VALUE, MIN_VALUE, Increment

JOURNAL_MAGIC = b"incrementer journal "
"""What a journal of any version begins with."""
_FORMAT_1, _FORMAT_2 = JOURNAL_MAGIC + b"1\n", JOURNAL_MAGIC + b"2\n"
_MARK_BYTES = 8
ANY_TOTALS = bytes(16)
"""The id in the header of a journal that may be counted into any totals: those of format 1 may, and
those that earlier versions made before they knew the id."""

_header = Struct(f"<{len(_FORMAT_2)}s16s{_MARK_BYTES}s")
_checksum = Struct("<I")
_record = Struct(f"<{_MARK_BYTES}sI")
_section = Struct("<cI")
_record_1 = Struct("<II")
_entry_1 = Struct("<qH")

_INCREMENTS, _JSON = b"I", b"J"
_INCREMENTS_1, _JSON_1 = b"I", b"B"

_COPY_BYTES = _header.size + _checksum.size
_RECORD_HEAD_BYTES = _record.size + _checksum.size

Pairs = list[tuple[str, int]]


class JournalUnreadable(ValueError):
    """A file is no journal, or one that this version must not read. The text says which.

    In this module the text goes on where the file's name ends: "is not a journal".
    """


class Damaged(ValueError):
    """The content of a record is not what a record holds."""


class _AnyIncrement(msgspec.Struct, gc=False):
    """An increment with no limits but the format's: those of requests may change."""

    key: str
    value: Annotated[int, Meta(ge=MIN_VALUE, le=MAX_VALUE)]


_decode_batch: Callable[[bytes], list[_AnyIncrement]] = msgspec.json.Decoder(
    list[_AnyIncrement]
).decode


@dataclass(frozen=True, slots=True)
class Header:
    """What a journal begins with. A new one has format 2 and a mark of its own."""

    totals_id: bytes = ANY_TOTALS
    mark: bytes = field(default_factory=lambda: os.urandom(_MARK_BYTES))
    version: int = 2

    @property
    def size(self) -> int:
        """Length in bytes; the first record begins there."""
        return 2 * _COPY_BYTES if self.version == 2 else len(_FORMAT_1)

    def encode(self) -> bytes:
        copy = _header.pack(_FORMAT_2, self.totals_id, self.mark)
        return 2 * (copy + _checksum.pack(crc32(copy)))

    def is_for(self, totals_ids: Collection[bytes]) -> bool:
        """Whether the file may be counted into the totals that have these ids."""
        return self.totals_id in totals_ids


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
    columns = _columns(len(keys))
    values = [increment.value for increment in increments]
    return [
        _section.pack(_INCREMENTS, columns.size + len(names)),
        columns.pack(len(keys), *values, *lengths),
        names,
    ]


@lru_cache(maxsize=2048)
def _columns(count: int) -> Struct:
    return Struct(f"<I{count}q{count}H")


def batch_section(json: bytes) -> list[bytes]:
    """Return the section of a JSON list of increments, in parts."""
    return [_section.pack(_JSON, len(json)), json]


def record(mark: bytes, parts: Sequence[bytes]) -> bytes:
    """Return the record of sections, given as their parts, in the file that has this `mark`."""
    head = _record.pack(mark, sum([len(part) for part in parts]))
    checksum = crc32(head)
    for part in parts:
        checksum = crc32(part, checksum)
    return b"".join((head, _checksum.pack(checksum), *parts))


def read_header(file: BinaryIO) -> Header | None:
    """Return the header of a journal; None where its process died while it wrote the header.

    Raises:
        JournalUnreadable: the file is no journal, or one of a newer version.
    """
    data = file.read(2 * _COPY_BYTES)
    for copy in data[:_COPY_BYTES], data[_COPY_BYTES:]:
        if len(copy) == _COPY_BYTES and copy.startswith(_FORMAT_2):
            checked, (checksum,) = copy[: _header.size], _checksum.unpack(copy[_header.size :])
            if crc32(checked) == checksum:
                _, totals_id, mark = _header.unpack(checked)
                return Header(totals_id, mark)
    if data.startswith(_FORMAT_1):
        return Header(mark=b"", version=1)
    if len(data) < 2 * _COPY_BYTES and data[: len(_FORMAT_2)] in (
        _FORMAT_1[: len(data)],
        _FORMAT_2[: len(data)],
    ):
        return None
    if data.startswith(JOURNAL_MAGIC) and not data.startswith(_FORMAT_2):
        raise JournalUnreadable("was written by a newer version")
    raise JournalUnreadable("is not a journal")


def record_head_bytes(header: Header) -> int:
    """Return how long the head of a record is in the file with this header."""
    return _record_1.size if header.version == 1 else _RECORD_HEAD_BYTES


def read_record_head(header: Header, head: bytes) -> tuple[int, int, int] | None:
    """Return the length of a record's content, its checksum, and with what the checksum begins.

    Return None where `head` is not the head of a record.
    """
    if len(head) < record_head_bytes(header) or not head.startswith(header.mark):
        return None
    length, checksum = _record_1.unpack(head[len(header.mark) :])
    if not length:  # a run of zero bytes, which is what a power cut may leave of a record
        return None
    return length, checksum, crc32(head[: _record.size]) if header.version == 2 else 0


def decode_content(header: Header, content: bytes) -> Pairs:
    """Return the increments in the content of a record.

    Raises:
        JournalUnreadable: there is a section of a newer version.
        Damaged: it is not the content of a record.
    """
    try:
        return _decode_1(content) if header.version == 1 else _decode_2(content)
    except (StructError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise Damaged from error


def _decode_2(content: bytes) -> Pairs:
    pairs: Pairs = []
    at = 0
    while at < len(content):
        kind, length = _section.unpack_from(content, at)
        at += _section.size + length
        if at > len(content):
            raise Damaged
        section = content[at - length : at]
        if kind == _INCREMENTS:
            pairs += _decode_increments(section)
        elif kind == _JSON:
            pairs += _decode_json(section)
        else:
            raise _newer(kind)
    return pairs


def _decode_increments(section: bytes) -> Pairs:
    (count,) = _checksum.unpack_from(section)
    if count > len(section):
        raise Damaged
    _, *numbers = _columns(count).unpack_from(section)
    at = _columns(count).size
    if at + sum(numbers[count:]) != len(section):
        raise Damaged
    pairs = []
    for value, length in zip(numbers[:count], numbers[count:], strict=True):
        pairs.append((section[at : at + length].decode(), value))
        at += length
    return pairs


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
