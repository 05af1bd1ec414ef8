"""The rows of an import: read from CSV, NDJSON or an SQLite database, and checked.

Rows come in lists of thousands, which are checked as a whole, for that is fast. Only where
something is odd are they looked at one by one.
"""

from __future__ import annotations

import csv
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from counters.dialects.staging import Rows
from counters.exporting import CSV_HEADER
from counters.increments import (
    MAX_KEY_LENGTH,
    BadIncrement,
    Increment,
    check_key,
    checked,
    parse_value,
    why_refused,
)
from counters.key_text import shown
from counters.repeated_fields import may_repeat_fields, refuse_repeated_fields

_ROWS = 10_000
"""Rows that are checked and staged at a time: each time the database is waited for."""
_MAX_LINE_LENGTH = 64 * 1024
"""Longest line that is read: more than twenty times as long as the longest row is written."""
SQLITE_MAGIC = b"SQLite format 3\0"
"""What such a database begins with."""

_Item = TypeVar("_Item")
_decoder = msgspec.json.Decoder(Increment)
_are_plain_values = re.compile(r"(?:-?[0-9]{1,18}\n)*").fullmatch
_line_ends = re.compile(r"\r\n?|\n").findall
_BOM = b"\xef\xbb\xbf"


class BadRow(ValueError):
    """A row cannot be imported. The text names it, its field and what is wrong."""


def _bad_row(line: int, problem: str, what: str = "line") -> BadRow:
    return BadRow(f"{what} {line}: {problem}")


def read_csv(file: BinaryIO) -> Iterator[Rows]:
    """Yield the rows of a CSV file: RFC 4180, in UTF-8, with the header key,value.

    Raises:
        BadRow: one is no total, or it is no such file.
    """
    # What is not UTF-8 becomes halves of surrogate pairs, which no key has.
    text = TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    # A line that is cut where it is too long is no row either.
    reader = csv.reader(iter(partial(text.readline, _MAX_LINE_LENGTH), ""), strict=True)
    ended = 0
    try:
        for records in _in_lists(reader):
            lines = _first_lines(records, ended + 1, reader.line_num - ended)
            if not ended:
                if tuple(records[0]) != CSV_HEADER:
                    raise _bad_row(1, f"the header is not {','.join(CSV_HEADER)}")
                lines, records = lines[1:], records[1:]
            ended = reader.line_num
            if records:
                yield _checked_records(lines, records)
    except csv.Error as error:
        raise _bad_row(reader.line_num, f"it is malformed: {error}") from error
    if not ended:
        raise _bad_row(1, f"the header is not {','.join(CSV_HEADER)}")


def read_ndjson(file: BinaryIO) -> Iterator[Rows]:
    """Yield the rows of a file that has a JSON object with `key` and `value` in each line.

    Raises:
        BadRow: one is no total.
    """
    ended = 0
    for lines in _in_lists(iter(partial(file.readline, _MAX_LINE_LENGTH), b"")):
        yield _checked_lines(ended + 1, lines)
        ended += len(lines)


def read_database(path: Path) -> Iterator[Rows]:
    """Yield the rows of table `numbers` in an SQLite database, also one of the service before.

    Raises:
        BadRow: one is no total.
        sqlite3.Error: it cannot be read.
    """
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as source:
        source.text_factory = lambda text: text.decode(errors="surrogateescape")
        cursor = source.execute(
            "SELECT CASE WHEN typeof(key) IN ('integer', 'real') THEN CAST(key AS text) ELSE key"
            " END, value FROM main.numbers"
        )
        ended = 0
        while pairs := cursor.fetchmany(_ROWS):
            yield _in_columns(_pair_by_pair(ended + 1, pairs))
            ended += len(pairs)


def _in_columns(rows: Iterable[tuple[int, str, int]]) -> Rows:
    return Rows(*(tuple(zip(*rows, strict=True)) or ((), (), ())))


def _in_lists(items: Iterator[_Item]) -> Iterator[list[_Item]]:
    """Yield items in lists. Where one cannot be read, those before it come before the error."""
    while True:
        some: list[_Item] = []
        try:
            some.extend(islice(items, _ROWS))
        except csv.Error:
            if some:
                yield some
            raise
        if not some:
            return
        yield some


def _first_lines(records: list[list[str]], begin: int, lines: int) -> Sequence[int]:
    """Return the number of the line in which each record begins.

    Args:
        begin: that of the first one.
        lines: how many lines there are up to where the reader stands.
    """
    if lines == len(records):
        return range(begin, begin + lines)
    found = []
    for record in records:
        found.append(begin)
        begin += 1 + sum(len(_line_ends(content)) for content in record)
    return found


def _are_keys(keys: Sequence[str]) -> bool:
    """Return whether all are keys; of hundreds at once, that is faster than `check_key`."""
    text = "".join(keys)
    lengths = set(map(len, keys))
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        return False
    return 0 not in lengths and max(lengths) <= MAX_KEY_LENGTH and "\0" not in text


def _checked_records(lines: Sequence[int], records: list[list[str]]) -> Rows:
    if set(map(len, records)) == {2}:
        keys, values = zip(*records, strict=True)
        if _are_plain_values("\n".join((*values, ""))) and _are_keys(keys):
            return Rows(lines, keys, list(map(int, values)))
    return _in_columns(_record_by_record(lines, records))


def _record_by_record(
    lines: Sequence[int], records: list[list[str]]
) -> Iterator[tuple[int, str, int]]:
    for line, record in zip(lines, records, strict=True):
        if not record:  # an empty line
            continue
        try:
            check_key(record[0])
            if len(record) != len(CSV_HEADER):
                raise _bad_row(line, f"it has not two fields, key and value, but {len(record)}")
            key, text = record
            value = parse_value(text.encode(errors="replace"))
        except BadIncrement as problem:
            raise _bad_row(line, problem.error) from problem
        yield line, key, value


def _checked_lines(begin: int, lines: list[bytes]) -> Rows:
    try:
        text = b"".join(lines)
        found = _decoder.decode_lines(text)
        text.isascii() or text.decode()  # msgspec does not look into fields that it skips
        keys = [increment.key for increment in found]
        is_plain = len(found) == len(lines) and not may_repeat_fields(text, len(lines))
        if is_plain and _are_keys(keys):
            values = [increment.value for increment in found]
            return Rows(range(begin, begin + len(lines)), keys, values)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass  # one of them; the first is looked for
    return _in_columns(_line_by_line(begin, lines))


def _line_by_line(begin: int, lines: list[bytes]) -> Iterator[tuple[int, str, int]]:
    for number, line in enumerate(lines, begin):
        if len(line) == _MAX_LINE_LENGTH:
            raise _bad_row(number, f"it is longer than {_MAX_LINE_LENGTH} bytes")
        content = line.removeprefix(_BOM) if number == 1 else line
        if not content.strip():  # an empty line
            continue
        try:
            increment = _decoder.decode(content)
            check_key(increment.key)
            _refuse_other_text(content)
            if may_repeat_fields(content, 1):
                refuse_repeated_fields(content, 1)
        except msgspec.ValidationError as error:
            problem = why_refused(error, "an object with key and value")
            raise _bad_row(number, problem.error.replace("body is", "it is")) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise _bad_row(number, f"it is not valid JSON in UTF-8: {error}") from error
        except BadIncrement as problem:
            raise _bad_row(number, problem.error) from problem
        yield number, increment.key, increment.value


def _refuse_other_text(content: bytes) -> None:
    """Raise where a field is not UTF-8 that msgspec skips: BadIncrement, which names it, if it can.

    Raises:
        UnicodeDecodeError: the field's name is not UTF-8.
    """
    try:
        content.isascii() or content.decode()
    except UnicodeDecodeError as error:
        with suppress(msgspec.MsgspecError):
            for name, text in msgspec.json.decode(content, type=dict[str, msgspec.Raw]).items():
                try:
                    bytes(text).decode()
                except UnicodeDecodeError:
                    raise BadIncrement(f"{shown(name)} is not valid UTF-8", name) from error
        raise


def _pair_by_pair(begin: int, pairs: list[tuple[object, object]]) -> Iterator[tuple[int, str, int]]:
    for number, (key, value) in enumerate(pairs, begin):
        try:
            increment = checked(key, value)
        except BadIncrement as problem:
            raise _bad_row(number, problem.error, "row") from problem
        yield number, increment.key, increment.value
