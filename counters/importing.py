"""Importing totals: many at once, added to what is there or in its place, all of them or none.

Rows are checked and staged first, which locks nothing. One transaction merges them then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from counters import totals
from counters.commit_proof import CommitProof
from counters.dialects import dialect_of
from counters.dialects.staging import Rows, first_repetition, staged_among
from counters.imported_rows import BadRow
from counters.key_text import shown
from counters.setting import all_counted, refusals


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, and what was out of its reach."""

    rows: int
    journals_elsewhere: int = 0
    """As in `counters.setting.all_counted`, where it replaces totals."""


def add_all(parts: Iterable[Rows]) -> Imported:
    """Add each row's value to the total of its key.

    The sum of a key's rows stops at the limits of 64 bits, and so does its total, with a warning.

    Args:
        parts: the rows, whose lines are all different.

    Raises:
        NobodyKnows: the answer to the COMMIT was lost, and the database cannot be asked.
        ChangeRefused: the database refuses a key or a total.
        django.db.Error: the database failed.
        What reading the rows raises. But for the first, everything is as it was then.
    """
    rows = _stage(parts)
    dialect = dialect_of(totals.connection())
    proof = CommitProof()
    at_limit: list[str] = []
    with (
        proof.settles(),
        totals.transaction(),
        refusals(),
        totals.connection().cursor() as cursor,
    ):
        totals.require_tables()
        totals.lock_everything()
        at_limit += dialect.add_staged(cursor)
        proof.leave()
    totals.warn_of_limits(at_limit)
    return Imported(rows)


def replace_all(parts: Iterable[Rows]) -> Imported:
    """Have the total of each row's key be its value, whatever was counted before; others stay.

    Args:
        parts: the rows, whose lines are all different.

    Raises:
        BadRow: a key is given twice.
        As `add_all` and `counters.setting.set_total` do.
    """
    rows = _stage(parts)
    dialect = dialect_of(totals.connection())
    with totals.connection().cursor() as cursor:
        dialect.index_staged(cursor)  # here, where no flush waits for it

    def are_staged(keys: Collection[str]) -> set[str]:
        with totals.connection().cursor() as cursor:
            return staged_among(cursor, dialect.staged, keys)

    with (
        all_counted(are_staged) as journals_elsewhere,
        refusals(),
        totals.connection().cursor() as cursor,
    ):
        if dialect.put_staged(cursor) < rows:
            repeated = first_repetition(cursor, dialect.staged)
            assert repeated is not None
            line, key = repeated
            raise BadRow(f"line {line}: key {shown(key)} is given twice")
        return Imported(rows, journals_elsewhere)


def _stage(parts: Iterable[Rows]) -> int:
    """Put all rows into the temporary table of this thread's connection; return how many it was."""
    totals.require_tables()
    count = 0
    dialect = dialect_of(totals.connection())
    with totals.connection().cursor() as cursor:
        dialect.begin_staging(cursor)
        for rows in parts:
            if rows.keys:
                dialect.stage(cursor, rows)
                count += len(rows.keys)
    return count
