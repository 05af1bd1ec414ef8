"""All totals as a stream of bytes: CSV and NDJSON, as of one moment, in constant memory."""

from __future__ import annotations

import csv
from collections.abc import Callable, Generator
from contextlib import closing
from io import StringIO

import msgspec

from counters import totals
from counters.dialects import dialect_of
from counters.increments import Increment

CSV_HEADER = ("key", "value")
_BLOCK_BYTES = 64 * 1024
"""What a stream yields at a time, at least; the last block may be shorter."""
_ROWS = 1000
"""Rows that are read and encoded at a time: other threads wait for a millisecond."""

_Rows = list[tuple[str, int]]


class NoTotal(ValueError):
    """A row is no total: somebody has put it into the table who is not the service."""


def _to_csv(rows: _Rows | list[tuple[str, str]]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerows(rows)  # as RFC 4180 has it
    return text.getvalue().encode()


_encode_lines = msgspec.json.Encoder().encode_lines


def _to_ndjson(rows: _Rows) -> bytes:
    return _encode_lines([Increment(key, value) for key, value in rows])


_ENCODERS: dict[str, Callable[[_Rows], bytes]] = {"csv": _to_csv, "ndjson": _to_ndjson}
_HEADERS = {"csv": _to_csv([CSV_HEADER]), "ndjson": b""}
FORMATS = tuple(_ENCODERS)


def export(format_: str) -> Generator[bytes, None, None]:
    """Yield all totals as text in UTF-8, in the order of their keys' code points.

    All are as of one moment, that of the first block: one statement reads them. It has a connection
    of its own and may go on in another thread. As long as it is not at its end or closed, SQLite
    cannot shorten its `-wal` file. (PostgreSQL makes a copy at once, and holds nothing up.)

    Args:
        format_: one of `FORMATS`. CSV is that of RFC 4180, with a header; NDJSON has an object with
            `key` and `value` in each line.

    Yields:
        Blocks of some 64 KiB.

    Raises:
        NoTotal: a row is no total.
        django.db.Error: the database failed.
    """
    encode = _ENCODERS[format_]
    block = bytearray(_HEADERS[format_])
    with closing(_read()) as all_rows:
        for rows in all_rows:
            block += encode(rows)
            if len(block) >= _BLOCK_BYTES:
                yield bytes(block)
                block.clear()
    if block:
        yield bytes(block)


def _read() -> Generator[_Rows, None, None]:
    with closing(dialect_of(totals.connection()).all_rows(_ROWS)) as parts:
        for rows in parts:
            for key, value in rows:
                if type(key) is not str or type(value) is not int:
                    raise NoTotal(f"a row is no total: {key!r}, {value!r}")
            yield rows
