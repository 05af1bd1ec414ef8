"""The reader of journals, on files that no service has written."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from zlib import crc32

from counters.journal import (
    HEADER,
    JournalUnreadable,
    read_tail,
    record_of_batch,
    record_of_increments,
)
from tests.fuzz.obvious import read_journal

SEPARATOR = b"\x1e"
"""Stands in the input between payloads, which no fuzzer would find the checksums of."""
_WHOLE = [
    record_of_increments([("a", 1)]),
    record_of_increments([("a", 1), ("b", -1)]),
    record_of_batch(b'[{"key":"a","value":1}]'),
]
SEEDS = [
    bytes([22, 255, 255]) + SEPARATOR.join([*(record[8:] for record in _WHOLE), b""]),
    bytes([0, 255, 255]) + SEPARATOR + b"".join(_WHOLE),
    bytes([39, 60, 60]) + b"".join(_WHOLE),
]

_file = Path(tempfile.mkdtemp(prefix="fuzz-")) / "0.journal"


def check(data: bytes) -> None:
    """Read a journal that `data` describes, and `data` itself as if it were one.

    It begins with a position, an end, and the place of a bit that has been flipped. Payloads follow
    and, after the last separator, bytes that stand behind their records.
    """
    _file.write_bytes(data)
    with suppress(JournalUnreadable):
        assert read_tail(_file, 0).increments == 0 or data.startswith(HEADER)
    if len(data) < 3:
        return
    position, end, flipped = data[:3]
    *payloads, rest = data[3:].split(SEPARATOR)
    content = bytearray(HEADER + b"".join(map(_record, payloads)) + rest)
    if len(HEADER) <= flipped < len(content):
        content[flipped] ^= 1
    end = min(len(content), max(len(HEADER), end if end < 255 else len(content)))
    _file.write_bytes(content)
    tail = read_tail(_file, position, end)
    obvious_end, pairs = read_journal(bytes(content[:end]), position)
    deltas: Counter[str] = Counter()
    for key, value in pairs:
        deltas[key] += value
    assert (tail.end, tail.increments) == (obvious_end, len(pairs))
    assert tail.rest == max(0, end - tail.end)
    assert dict(tail.deltas) == dict(deltas)


def _record(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "little") + crc32(payload).to_bytes(4, "little") + payload
