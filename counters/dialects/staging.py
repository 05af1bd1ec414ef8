"""Rows of an import, in a temporary table until all of them are there and right.

The table belongs to the connection alone, and to write to it takes no lock: a file that comes
slowly holds up no flush.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from django.db.backends.utils import CursorWrapper


class Rows(NamedTuple):
    """Some rows of an import, in columns."""

    lines: Sequence[int]
    """The line that each stands in. No two are equal."""
    keys: Sequence[str]
    values: Sequence[int]


STAGED = "counters_import"

_STATEMENT_KEYS = 500
"""Keys that one statement names: databases have limits."""


def first_repetition(cursor: CursorWrapper, staged: str) -> tuple[int, str] | None:
    """Return the first line whose key stands in a line before it, and that key."""
    cursor.execute(
        "SELECT line, key FROM"
        " (SELECT line, key, row_number() OVER (PARTITION BY key ORDER BY line) AS number"
        f" FROM {staged}) AS counted WHERE number = 2 ORDER BY line LIMIT 1"
    )
    found: tuple[int, str] | None = cursor.fetchone()
    return found


def staged_among(cursor: CursorWrapper, staged: str, keys: Collection[str]) -> set[str]:
    """Return those of `keys` that are staged."""
    found: set[str] = set()
    keys = list(keys)
    for begin in range(0, len(keys), _STATEMENT_KEYS):
        part = keys[begin : begin + _STATEMENT_KEYS]
        places = ", ".join(["%s"] * len(part))
        cursor.execute(f"SELECT DISTINCT key FROM {staged} WHERE key IN ({places})", part)
        found.update(key for (key,) in cursor.fetchall())
    return found
