"""The reader of journals gets files that no service has written."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from io import BytesIO

from counters.increments import Increment
from counters.reader import read_records
from counters.records import (
    Header,
    JournalUnreadable,
    read_header,
    record,
)
from counters.sections import batch_section, increments_section
from tests.fuzz.obvious_journal import Newer, read_journal

SEPARATOR = b"\x1e"
"""Stands in the input between the contents of records.

The records are made here, because no fuzzer would find a content with its right checksum.
"""
_HEADER = Header(mark=b"the mark")
_CONTENTS = [
    b"".join(increments_section([Increment("a", 1)])),
    b"".join(increments_section([Increment("a", 1), Increment("b", -1)])),
    b"".join(batch_section(b'[{"key":"a","value":1}]')),
]
_WHOLE = [record(_HEADER.mark, [content]) for content in _CONTENTS]
SEEDS = [
    bytes([0, 100, 255, 255]) + SEPARATOR.join([*_CONTENTS, b""]),
    bytes([1, 0, 255, 255]) + SEPARATOR + b"".join(_WHOLE),
    bytes([1, 117, 160, 130]) + b"".join(_WHOLE),
]


def check(data: bytes) -> None:
    """Read a journal that `data` describes, and also `data` itself as if it were a journal.

    | bytes of `data` | what they are |
    |---|---|
    | 0 | odd: read past what is damaged |
    | 1 | the position to read from |
    | 2 | the end to read to; 255: the end of the file |
    | 3 | the place of a byte whose last bit is flipped |
    | from 4 on | contents of records, and after the last separator bytes behind the records |
    """
    with suppress(JournalUnreadable):
        header = read_header(BytesIO(data))
        if header is not None:
            read_records(BytesIO(data), header, 0, len(data), past_damage=True)
    if len(data) < 4:
        return
    past_damage, position, end, flipped = data[0] % 2 == 1, *data[1:4]
    *contents, rest = data[4:].split(SEPARATOR)
    file = bytearray(_HEADER.encode())
    for content in contents:
        file += record(_HEADER.mark, [content])
    file += rest
    if flipped < len(file):
        file[flipped] ^= 1
    end = min(len(file), max(_HEADER.size, end if end < 255 else len(file)))
    try:
        expected = read_journal(bytes(file[:end]), _HEADER, position, past_damage)
    except Newer:
        expected = None
    try:
        header = read_header(BytesIO(file))
        assert header == _HEADER
        found = read_records(BytesIO(file), header, position, end, past_damage=past_damage)
    except JournalUnreadable:
        assert expected is None
        return
    assert expected is not None
    deltas: Counter[str] = Counter()
    for key, value in expected.pairs:
        deltas[key] += value
    assert dict(found.deltas) == dict(deltas)
    assert (found.end, found.increments) == (expected.end, len(expected.pairs))
    assert found.damaged == expected.damaged
