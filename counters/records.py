"""The file format of a journal: its header, and records. It knows no Django and no HTTP.

All numbers are little-endian and unsigned, but for values. Checksums are CRC-32. Format 3, which
is written:

    header   100 bytes: twice the same 50, so that one damaged byte costs nothing
        22   "incrementer journal 3\\n"
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
    K        increments with ids: their count (4), their values (8 each, signed), the lengths of
             their keys (2 each) and of their ids (1 each), the keys, and the ids in ASCII
    L        a batch with an id: the length of the id (1), the id, and the batch as in J

Why there is a mark: after a damaged record, the next whole one is found by searching for it. A
client that could guess it would be able to put a record of its own into a key.

Why a new kind of section always means a new number in the header: a version that does not know the
kind then leaves the whole file alone. Should it meet an unknown kind behind a right checksum all
the same, the file is one of a newer version too, and not a damaged one.

Formats 2 and 1 are still read. Format 2 has no K and no L. The header of format 1 is
"incrementer journal 1\\n". A record is the length (4) and the
checksum (4) of its content, and the content: "I" and for each increment its value (8), the length
of its key (2) and its key; or "B" and a batch as it came. It has no mark, so nothing that stands
after a damaged record can be told from what a client wrote: it is not searched.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import BinaryIO

from isal.isal_zlib import crc32

JOURNAL_MAGIC = b"incrementer journal "
"""What a journal of any version begins with."""
_FORMATS = {version: b"%b%d\n" % (JOURNAL_MAGIC, version) for version in (1, 2, 3)}
_WITH_COPIES = {_FORMATS[version]: version for version in (2, 3)}
"""Those whose header is there twice."""
_FORMAT_BYTES = len(_FORMATS[1])
_MARK_BYTES = 8
ANY_TOTALS = bytes(16)
"""The id in the header of a journal that may be counted into any totals: those of format 1 may, and
those that earlier versions made before they knew the id."""

_header = Struct(f"<{_FORMAT_BYTES}s16s{_MARK_BYTES}s")
_checksum = Struct("<I")
_record = Struct(f"<{_MARK_BYTES}sI")
_record_1 = Struct("<II")

_COPY_BYTES = _header.size + _checksum.size
_RECORD_HEAD_BYTES = _record.size + _checksum.size


class JournalUnreadable(ValueError):
    """A file is no journal, or one that this version must not read. The text says which.

    In this module the text goes on where the file's name ends: "is not a journal".
    """


@dataclass(frozen=True, slots=True)
class Header:
    """What a journal begins with. A new one has format 3 and a mark of its own."""

    totals_id: bytes = ANY_TOTALS
    mark: bytes = field(default_factory=lambda: os.urandom(_MARK_BYTES))
    version: int = 3

    @property
    def size(self) -> int:
        """Length in bytes; the first record begins there."""
        return _FORMAT_BYTES if self.version == 1 else 2 * _COPY_BYTES

    def encode(self) -> bytes:
        copy = _header.pack(_FORMATS[self.version], self.totals_id, self.mark)
        return 2 * (copy + _checksum.pack(crc32(copy)))

    def is_for(self, totals_ids: Collection[bytes]) -> bool:
        """Whether the file may be counted into the totals that have these ids."""
        return self.totals_id in totals_ids


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
    format_ = data[:_FORMAT_BYTES]
    for copy in data[:_COPY_BYTES], data[_COPY_BYTES:]:
        version = _WITH_COPIES.get(copy[:_FORMAT_BYTES])
        if version is not None and len(copy) == _COPY_BYTES:
            checked, (checksum,) = copy[: _header.size], _checksum.unpack(copy[_header.size :])
            if crc32(checked) == checksum:
                _, totals_id, mark = _header.unpack(checked)
                return Header(totals_id, mark, version)
    if format_ == _FORMATS[1]:
        return Header(mark=b"", version=1)
    is_short = len(data) < 2 * _COPY_BYTES
    if is_short and any(known.startswith(format_) for known in _FORMATS.values()):
        return None
    if data.startswith(JOURNAL_MAGIC) and format_ not in _WITH_COPIES:
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
    return length, checksum, 0 if header.version == 1 else crc32(head[: _record.size])
