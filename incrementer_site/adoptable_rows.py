"""Whether each row of an old table is a total that increments could have made.

SQLite keeps what it is given: keys that are NULL, text in a column of numbers, bytes that are no
text. What such a row means, only its owner knows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from counters.increments import MAX_KEY_LENGTH, BadIncrement, checked
from counters.key_text import shown

_SHOWN_LENGTH = 60


def quoted(name: str) -> str:
    """Return a name as it stands in SQL. (Django's own leaves quotes in it as they are.)"""
    return '"' + name.replace('"', '""') + '"'


def row_problem(connection: BaseDatabaseWrapper, table: str) -> str:
    """Return what is wrong with rows, and what to do; empty if each is a total."""
    first, count = "", 0
    for key, hexadecimal, value in _rows(connection, table):
        try:
            checked(key, _whole(value))
        except BadIncrement as error:
            count += 1
            first = first or _described(table, key, hexadecimal, value, error.error)
    if not count:
        return ""
    rows = "a row" if count == 1 else f"{count} rows"
    return (
        f"has {rows} in {table!r} that cannot be adopted without loss, {first}. Give each such row"
        " a key and a whole number, or delete it"
    )


def _rows(connection: BaseDatabaseWrapper, table: str) -> Iterator[tuple[Any, str, Any]]:
    """Yield each row's key as text, its key's bytes in hexadecimal, and its value as it is."""
    connection.ensure_connection()
    raw = connection.connection
    before, raw.text_factory = raw.text_factory, _decoded
    try:
        yield from raw.execute(
            f"SELECT CAST(key AS text), hex(key), value FROM main.{quoted(table)}"
        )
    finally:
        raw.text_factory = before


def _decoded(text: bytes) -> str:
    """Decode what may not be UTF-8: what is not becomes halves of surrogate pairs."""
    return text.decode("utf-8", "surrogateescape")


def _whole(value: Any) -> Any:
    """Return the whole number that a value is the same as, or the value where it is none.

    NULL is 0, the column's default: nothing was counted.
    """
    if value is None:
        return 0
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= 20 and value.isascii():
        digits = value.removeprefix("-")
        return int(value) if digits.isdigit() and str(int(value)) == value else value
    return value


def _described(table: str, key: Any, hexadecimal: str, value: Any, problem: str) -> str:
    if key is None:
        problem, where = "key is NULL", "key IS NULL"
    elif len(key) > MAX_KEY_LENGTH:
        where = f"length(key) > {MAX_KEY_LENGTH}"
    else:
        where = f"hex(key) = '{hexadecimal}'"
    return (
        f"such as the one with the key {_short(key)} and the value {_short(value)}, for its"
        f" {problem} (SELECT * FROM {table} WHERE {where})"
    )


def _short(value: Any) -> str:
    text = shown(value)
    return text if len(text) <= _SHOWN_LENGTH else f"{text[:_SHOWN_LENGTH]}…"
