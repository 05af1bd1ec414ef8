"""What the dialects share: deltas as JSON, the upsert that adds, and the lock of a position."""

from __future__ import annotations

import msgspec
from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper

from counters.increments import MAX_VALUE

MIN = f"(-{MAX_VALUE} - 1)"
"""PostgreSQL reads the number itself as the negative of one beyond 64 bits, a numeric."""
LIMITS = f"({MAX_VALUE}, {MIN})"
LONGEST_READ_SECONDS = 5.0
"""How long totals may take to be read, of some keys or of a page of a list."""
LONGEST_LOCK_SECONDS = 10.0
"""How long an export and a change of totals wait for a lock."""


SUM = f"""CASE
    WHEN excluded.value > 0 AND total.value > {MAX_VALUE} - excluded.value THEN {MAX_VALUE}
    WHEN excluded.value < 0 AND total.value < {MIN} - excluded.value THEN {MIN}
    ELSE total.value + excluded.value END"""
"""What a total is once a value is added to it."""


def upsert(
    table: str,
    source: str,
    order: str = "key",
    *,
    given: str = "value",
    group: str = "",
    value: str = SUM,
) -> str:
    """Return the statement that adds the rows of `source` to `table`.

    Args:
        given: what is added of each row, or of each group of rows.
        group: the clause that makes the groups; empty where each row is one.
        value: what the value is to be of a row that is there: the sum of both.
    """
    return f"""
        INSERT INTO {table} AS total (key, value)
        SELECT key, {given} FROM {source} WHERE true {group} ORDER BY {order}
        ON CONFLICT (key) DO UPDATE SET value = {value}
        """


def encode(piece: dict[str, int]) -> bytes:
    """Return deltas as a JSON object."""
    if not "".join(piece).isascii():
        # Python keeps the UTF-8 of a text that msgspec encodes: up to a kilobyte for each key that
        # is pending. So copies of the keys are encoded.
        piece = {key[:1] + key[1:]: delta for key, delta in piece.items()}
    return msgspec.json.encode(piece)


def select_all(table: str, order: str) -> str:
    return f'SELECT key, value FROM {table} ORDER BY key COLLATE "{order}"'


def lock_position(table: str) -> str:
    return f"""
        INSERT INTO {table} AS known (journal, position, seen_on) VALUES (%s, 0, %s)
        ON CONFLICT (journal) DO UPDATE SET position = known.position RETURNING position
        """


def check_autocommit(connection: BaseDatabaseWrapper) -> list[CheckMessage]:
    if connection.settings_dict["AUTOCOMMIT"]:
        return []
    return [
        Error(
            "The database has AUTOCOMMIT off: no flush would ever be committed.",
            hint="Leave AUTOCOMMIT of the database out.",
            id="counters.E016",
        )
    ]
