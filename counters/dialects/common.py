"""What the dialects share: the upsert that adds, and the statement that locks a position."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper

from counters.increments import MAX_VALUE

_MIN = f"(-{MAX_VALUE} - 1)"
"""PostgreSQL reads the number itself as the negative of one beyond 64 bits, a numeric."""
LIMITS = f"({MAX_VALUE}, {_MIN})"


def upsert(table: str, source: str, order: str = "key") -> str:
    """Return the statement that adds the rows of `source` to `table`."""
    return f"""
        INSERT INTO {table} AS total (key, value)
        SELECT key, value FROM {source} WHERE true ORDER BY {order}
        ON CONFLICT (key) DO UPDATE SET value = CASE
            WHEN excluded.value > 0 AND total.value > {MAX_VALUE} - excluded.value THEN {MAX_VALUE}
            WHEN excluded.value < 0 AND total.value < {_MIN} - excluded.value THEN {_MIN}
            ELSE total.value + excluded.value END
        """


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
