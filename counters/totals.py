"""The totals and the journals' positions, in the database that the counters are kept in.

The ORM serves where it can. It cannot express an upsert that adds: that is the dialect's
(counters/dialects.py).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date, timedelta
from heapq import nsmallest
from itertools import islice

from django.db import DatabaseError, Error, connections
from django.db import transaction as django_transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q

from counters import failures
from counters.config import config
from counters.dialects import Dialect, TotalsReader, dialect_of
from counters.increments import MAX_VALUE, MIN_VALUE
from counters.models import Number, Position

logger = logging.getLogger(__name__)

_SLICE_KEYS = 1000
"""Deltas that are encoded at a time: requests wait a tenth of a millisecond."""
_GROUP_KEYS = 500
"""So many keys, or fewer, are tried one by one where the database refuses one of them: some 30 us
for each. To halve on would be a dozen statements for each key that is refused."""
MAX_TRIED_KEYS = 20_000
"""Keys that are tried one by one in one transaction: about a second, in which SQLite lets nobody
else write."""
KEEP_RETIRED_DAYS = 30
"""How long the position of a journal is kept whose file was removed."""
KEEP_UNSEEN_DAYS = 400
"""How long that of any other journal is kept without a change. Its process notes each day that it
lives, so it is the journal of a machine that is gone, or that has been off for a year."""
_PRUNED_ROWS = 1000
_NAMED_KEYS = 10
"""Keys at the limit that a flush names in the log: a million of them would fill the disk."""


class ManyRefused(DatabaseError):
    """The database refuses so many keys that one transaction would take long."""


class UnfitTables(DatabaseError):
    """The tables are not there, or not as they have to be. The text says how to mend that."""


@dataclass(slots=True)
class Refused:
    """What of a flush the database has refused."""

    deltas: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    """What it said about one of the keys."""

    def add(self, deltas: Mapping[str, int], reason: str) -> None:
        self.deltas.update(deltas)
        self.reason = " ".join(reason.split())


def connection() -> BaseDatabaseWrapper:
    """Return this thread's connection to the database that the counters are kept in."""
    return connections[config().database]


def close_connection() -> None:
    """Close this thread's connection; the next use makes a new one."""
    connection().close()


def place() -> str:
    """Return in words where the totals are kept, without a password."""
    return failures.place(connection())


def transaction() -> AbstractContextManager[None]:
    """Return a context in which all that is done to totals and positions is done, or nothing."""
    return django_transaction.atomic(using=config().database)


def after_commit(callback: Callable[[], object]) -> None:
    """Call `callback` once the transaction under way is committed; not if it fails."""
    django_transaction.on_commit(callback, using=config().database)


def _dialect() -> Dialect:
    return dialect_of(connection())


def lock_position(journal: str) -> int:
    """Return the journal's position, which nobody else can move until the transaction ends.

    Raises:
        UnfitTables: a trigger skips the row.
    """
    with connection().cursor() as cursor:
        cursor.execute(_dialect().lock_position, [journal, _today().isoformat()])
        found = cursor.fetchone()
    if found is None:
        raise UnfitTables(_skips_rows())
    position: int = found[0]
    return position


def require_tables() -> None:
    """Look whether increments would get into the tables, each as it is.

    Each flush looks, for a table may be changed while the service runs. The connection is ready to
    add to them then.

    Raises:
        UnfitTables: they would not.
    """
    if problems := _dialect().table_problems():
        raise UnfitTables(" ".join(problems))
    with connection().cursor() as cursor:
        _dialect().make_ready(cursor)
        _dialect().request_ids.make_ready(cursor)


def move_position(journal: str, position: int) -> None:
    """Note that a journal is in the totals up to `position`.

    Raises:
        UnfitTables: a trigger skips the row. What was added would be added again.
    """
    moved = Position.objects.filter(journal=journal).update(
        position=position, retired=False, seen_on=_today()
    )
    if not moved:
        raise UnfitTables(_skips_rows())


def _skips_rows() -> str:
    table = Position._meta.db_table
    return f"Table {table!r} has a trigger that skips rows: nothing can be counted. Drop it."


def retire_position(journal: str) -> None:
    """Note that a journal is wholly in the totals, and its file about to go."""
    Position.objects.filter(journal=journal).update(retired=True, seen_on=_today())


def is_counted(journal: str, end: int) -> bool:
    """Return whether all of a journal was in the totals, up to its end, when its file was removed.

    That its position is there tells nothing: a reset may have moved it.
    """
    return Position.objects.filter(journal=journal, position__gte=end, retired=True).exists()


def is_up_to_date(journal: str, position: int) -> bool:
    """Return whether the row of a living journal is where its process left it, and will stay."""
    return Position.objects.filter(
        journal=journal, position=position, retired=False, seen_on=_today()
    ).exists()


def prune_positions(standing: Collection[str]) -> int:
    """Delete some of the rows that have been kept long enough; return how many it was.

    Args:
        standing: names of journals whose files are there. Their rows stay, whatever their dates:
            without its row, a journal would count again from its beginning.
    """
    today = _today()
    retired_before = today - timedelta(days=KEEP_RETIRED_DAYS)
    unseen_before = today - timedelta(days=KEEP_UNSEEN_DAYS)
    old = Position.objects.filter(
        Q(retired=True, seen_on__lt=retired_before) | Q(seen_on__lt=unseen_before)
    )
    found = old.values_list("journal", flat=True)[: _PRUNED_ROWS + len(standing)]
    some = [journal for journal in found if journal not in standing][:_PRUNED_ROWS]
    return old.filter(journal__in=some).delete()[0]


def count_positions_except(journals: Collection[str]) -> int:
    """Return how many journals are not retired, besides `journals`."""
    return Position.objects.filter(retired=False).exclude(journal__in=journals).count()


def _today() -> date:
    """Return the database's date: machines that share it may have clocks that are years apart."""
    with connection().cursor() as cursor:
        cursor.execute(f"SELECT {_dialect().today}")
        return date.fromisoformat(str(cursor.fetchone()[0]))


def positions_of(journals: Collection[str]) -> dict[str, int]:
    """Return the positions of those journals that have one."""
    found = Position.objects.filter(journal__in=journals)
    return dict(found.values_list("journal", "position"))


def totals_of(keys: Collection[str]) -> dict[str, int]:
    """Return the totals of those keys that were ever counted, as of the last flush.

    Raises:
        django.db.Error: the database failed.
    """
    with connection().cursor() as cursor:
        return _dialect().totals_of(cursor, keys)


def reader() -> TotalsReader:
    """Return what reads totals again and again in this thread."""
    return _dialect().reader()


def tidy() -> None:
    """See to it that all that was flushed is in the database's own file."""
    with connection().cursor() as cursor:
        _dialect().tidy(cursor)


def lock_everything() -> None:
    """Keep every flush out until the transaction ends."""
    if statement := _dialect().lock_everything:
        with connection().cursor() as cursor:
            cursor.execute(statement)


def delete_totals() -> int:
    """Empty the table and return how many totals there were."""
    return Number.objects.all().delete()[0]


def add_to_totals(deltas: Mapping[str, int], max_tried: int | None = None) -> Refused:
    """Add each key's delta to its total; a total stops at the limits of 64 bits, with a warning.

    Where the database refuses a key or a total (a CHECK, a trigger, a domain), only that key is
    left out: the deltas are halved down to some hundreds, and these tried one by one.

    Args:
        max_tried: how many keys may be tried one by one; None: as many as it takes.

    Returns:
        What was refused.

    Raises:
        ManyRefused: more would have to be tried. The transaction has to be rolled back.
        django.db.Error: the database failed; the totals are as they were.
    """
    refused = Refused()
    tried_keys = 0
    # In order of keys: so two processes that do this at once cannot wait for each other's rows.
    waiting: list[Collection[str]] = [deltas]
    while waiting:
        keys = waiting.pop()
        part = deltas if keys is deltas else {key: deltas[key] for key in keys}
        try:
            _add(part)
        except Error as error:
            if not _dialect().is_refusal(error):
                raise
            if len(keys) == 1:
                refused.add(part, str(error))
                continue
            if len(keys) <= _GROUP_KEYS:
                tried_keys += len(keys)
                if max_tried is not None and tried_keys > max_tried:
                    raise ManyRefused(f"refused, among others: {error}") from error
                if _add_each(part, refused):
                    continue
            in_order = sorted(keys) if keys is deltas else list(keys)
            half = len(in_order) // 2
            waiting += in_order[half:], in_order[:half]
    return refused


def _add(deltas: Mapping[str, int]) -> None:
    """Add all of the deltas, or none."""
    at_limit: set[str] = set()
    dialect = _dialect()
    with transaction(), connection().cursor() as cursor:
        while deltas:
            beyond: dict[str, int] = {}  # what of a delta exceeds 64 bits goes in a further round
            at_limit.update(dialect.add(cursor, _within_64_bits(deltas, beyond)))
            deltas = beyond
    warn_of_limits(at_limit)


def _add_each(deltas: Mapping[str, int], refused: Refused) -> bool:
    """Add those of some deltas that the database takes, and the others to `refused`.

    Return False, and leave everything as it was, where that cannot be: some of a delta exceeds 64
    bits, or the database's encoding lacks a character of a key.
    """
    beyond: dict[str, int] = {}
    (piece,) = _within_64_bits(dict(sorted(deltas.items())), beyond)
    if beyond:
        return False
    dialect = _dialect()
    try:
        with transaction(), connection().cursor() as cursor:
            tried = dialect.add_each(cursor, piece)
    except Error as error:
        if not dialect.is_refusal(error):
            raise
        return False
    for key, reason in tried.refused.items():
        refused.add({key: deltas[key]}, reason)
    warn_of_limits(tried.at_limit)
    return True


def warn_of_limits(at_limit: Collection[str]) -> None:
    """Name keys in the log, but not too many, whose totals have reached a limit."""
    for key in nsmallest(_NAMED_KEYS, at_limit):
        logger.warning("The total of %r has reached the limit of 64 bits and stays there.", key)
    if len(at_limit) > _NAMED_KEYS:
        logger.warning("So have the totals of %d other keys.", len(at_limit) - _NAMED_KEYS)


def _within_64_bits(deltas: Mapping[str, int], beyond: dict[str, int]) -> Iterator[dict[str, int]]:
    """Yield the deltas in slices, cut to 64 bits; what is cut off goes to `beyond`."""
    items = iter(deltas.items())
    while piece := dict(islice(items, _SLICE_KEYS)):
        if min(piece.values()) < MIN_VALUE or max(piece.values()) > MAX_VALUE:
            for key, delta in piece.items():
                part = min(max(delta, MIN_VALUE), MAX_VALUE)
                if part != delta:
                    piece[key] = part
                    # The range is less than 2**64 wide: more than that makes no difference.
                    beyond[key] = min(max(delta - part, -(2**64)), 2**64)
        yield piece
