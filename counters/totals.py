"""The totals and the journals' positions in the database: the one place with SQL of its own.

The ORM cannot express an upsert that adds. Deltas are staged in a temporary table slice by slice,
as JSON, and merged by one statement: the database does the work, and while it does, Python's global
lock is free for requests. The merge goes in order of keys: neighbours in the index are changed
together, and writers in PostgreSQL cannot deadlock.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from heapq import nsmallest
from itertools import islice

import msgspec
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from counters.models import Number, Position
from counters.parsing import MAX_VALUE, MIN_VALUE

logger = logging.getLogger(__name__)

_SLICE = 1000
"""Deltas staged at a stretch: a tenth of a millisecond in which requests wait."""
_NAMED = 10
"""Keys at the limit that a flush names in the log: a million of them would fill the disk."""

_MIN = f"(-{MAX_VALUE} - 1)"
"""PostgreSQL reads the number itself as the negative of one beyond 64 bits, a numeric."""
_LIMITS = f"({MAX_VALUE}, {_MIN})"

_MERGE = f"""
INSERT INTO numbers (key, value) SELECT key, value FROM deltas WHERE true ORDER BY key
ON CONFLICT (key) DO UPDATE SET value = CASE
    WHEN excluded.value > 0 AND numbers.value > {MAX_VALUE} - excluded.value THEN {MAX_VALUE}
    WHEN excluded.value < 0 AND numbers.value < {_MIN} - excluded.value THEN {_MIN}
    ELSE numbers.value + excluded.value END
"""


def lock_position(journal: str) -> int:
    """Return the journal's position, which nobody else can move until the transaction ends."""
    row, _ = Position.objects.select_for_update().get_or_create(journal=journal)
    return row.position


def move_position(journal: str, position: int) -> None:
    Position.objects.filter(journal=journal).update(position=position)


def forget_position(journal: str) -> None:
    """Drop the row of a journal that no longer exists."""
    Position.objects.filter(journal=journal).delete()


def count_positions_except(journals: Collection[str]) -> int:
    """Return how many journals there are positions of, besides `journals`."""
    return Position.objects.exclude(journal__in=journals).count()


def lock_everything() -> None:
    """Keep every flush out until the transaction ends. (SQLite has one writer at a time anyway.)"""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("LOCK TABLE positions IN EXCLUSIVE MODE")


def delete_totals() -> int:
    """Empty the table and return how many totals there were."""
    return Number.objects.all().delete()[0]


@transaction.atomic
def add_to_totals(deltas: Mapping[str, int]) -> None:
    """Add each key's delta to its total; a total stops at the limits of 64 bits, with a warning.

    Raises:
        django.db.Error: the database failed; the totals are as they were.
    """
    at_limit: set[str] = set()
    with connection.cursor() as cursor:
        while deltas:
            beyond: dict[str, int] = {}  # what of a delta exceeds 64 bits goes in a further round
            _make_staging_table(cursor)
            for piece in _slices(deltas):
                _clamp(piece, beyond)
                _stage(cursor, piece)
            at_limit.update(_merge(cursor))
            deltas = beyond
    for key in nsmallest(_NAMED, at_limit):
        logger.warning("The total of %r has reached the limit of 64 bits and stays there.", key)
    if len(at_limit) > _NAMED:
        logger.warning("So have the totals of %d other keys.", len(at_limit) - _NAMED)


def _slices(deltas: Mapping[str, int]) -> Iterator[dict[str, int]]:
    items = iter(deltas.items())
    while piece := dict(islice(items, _SLICE)):
        yield piece


def _clamp(piece: dict[str, int], beyond: dict[str, int]) -> None:
    if min(piece.values()) >= MIN_VALUE and max(piece.values()) <= MAX_VALUE:
        return
    for key, delta in piece.items():
        part = min(max(delta, MIN_VALUE), MAX_VALUE)
        if part != delta:
            piece[key] = part
            # The range is less than 2**64 wide: more than that cannot make a difference.
            beyond[key] = min(max(delta - part, -(2**64)), 2**64)


def _make_staging_table(cursor: CursorWrapper) -> None:
    cursor.execute("DROP TABLE IF EXISTS deltas")
    if connection.vendor == "postgresql":
        cursor.execute("CREATE TEMPORARY TABLE deltas (key text, value bigint) ON COMMIT DROP")
        return
    cursor.execute("CREATE TEMPORARY TABLE deltas (key text, value integer)")
    cursor.execute("CREATE TEMPORARY TABLE IF NOT EXISTS at_limit (key text)")
    cursor.execute("DELETE FROM at_limit")
    cursor.execute(
        "CREATE TEMPORARY TRIGGER IF NOT EXISTS note_limit AFTER UPDATE ON main.numbers"
        f" WHEN new.value IN {_LIMITS} BEGIN INSERT INTO at_limit VALUES (new.key); END"
    )


def _stage(cursor: CursorWrapper, piece: dict[str, int]) -> None:
    if connection.vendor == "postgresql":
        unpack = "SELECT key, value::bigint FROM json_each_text(%s::json)"
    else:
        unpack = "SELECT key, value FROM json_each(%s)"
    cursor.execute(f"INSERT INTO deltas {unpack}", [msgspec.json.encode(piece).decode()])


def _merge(cursor: CursorWrapper) -> list[str]:
    """Add what is staged to the totals and return the keys whose totals are at a limit."""
    if connection.vendor == "postgresql":
        cursor.execute(
            f"WITH merged AS ({_MERGE} RETURNING numbers.key, numbers.value)"
            f" SELECT key FROM merged WHERE value IN {_LIMITS}"
        )
    else:
        cursor.execute(_MERGE)
        cursor.execute("SELECT key FROM at_limit")
    return [key for (key,) in cursor.fetchall()]
