"""What differs from database to database: adding deltas, locks, and what has to be checked.

Adding is one statement, for any number of keys. Meanwhile the database does the work, and Python's
global lock is free for requests. It goes in the order of keys: so neighbours in the index are
changed together, and two processes that flush into PostgreSQL cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from django.core.checks import CheckMessage
from django.core.exceptions import ImproperlyConfigured
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from counters.dialects.common import LONGEST_READ_SECONDS
from counters.dialects.one_by_one import Tried
from counters.dialects.postgresql import PostgreSQL
from counters.dialects.request_ids import Tried as TriedIds
from counters.dialects.sqlite import SQLite
from counters.dialects.staging import Rows

__all__ = ["LONGEST_READ_SECONDS", "Dialect", "TotalsReader", "dialect_of"]


class TotalsReader(Protocol):
    """Reads totals again and again, in one thread."""

    def totals_of(self, keys: Collection[str]) -> dict[str, int]:
        """Return the totals of those keys that have one.

        Raises:
            django.db.Error: the database failed; the next call connects anew.
        """
        ...

    def positions_of(self, journals: Collection[str]) -> dict[str, int]:
        """Return the positions of those journals that have one; it fails as `totals_of` does."""
        ...

    def close(self) -> None:
        """Close the connection; the next call makes a new one."""
        ...


class RequestIds(Protocol):
    """What the counters need of a database for the ids of requests, which are of 16 bytes."""

    def make_ready(self, cursor: CursorWrapper) -> None:
        """Make what `insert` needs, where it is not there yet; best before the transaction."""
        ...

    def insert(self, cursor: CursorWrapper, ids: Mapping[bytes, int]) -> TriedIds:
        """Insert ids, with fingerprints of 32 bits, where they are not there; say which were."""
        ...

    def place_behind(self, cursor: CursorWrapper, begin: bytes, rows: int) -> bytes | None:
        """Return the first id behind so many rows, which begin at `begin`; None: there is none."""
        ...

    def delete_old(self, cursor: CursorWrapper, begin: bytes, end: bytes | None, hours: int) -> int:
        """Delete ids from `begin` up to `end` (not with it; None: to the last one).

        Only those go that were seen more than so many whole hours ago. Returns how many it was.
        """
        ...


class Dialect(Protocol):
    """What the counters need of a database.

    Attributes:
        lock_position: a statement with two parameters, a journal's name and today's date. It locks
            the journal's row, which it makes where there is none, and returns its position.
        lock_everything: a statement that keeps every flush out until the transaction ends; empty
            where none is needed.
        today: the expression of today's date in UTC, by the clock of the database.
        code_point_order: the collation that orders text by its code points.
        staged: the temporary table with the rows of an import.
        request_ids: the ids of requests that were counted.
    """

    lock_position: str
    lock_everything: str
    today: str
    code_point_order: str
    staged: str

    @property
    def request_ids(self) -> RequestIds: ...

    def make_ready(self, cursor: CursorWrapper) -> None:
        """Make what `add` needs, where it is not there yet; best before the transaction."""
        ...

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        """Add deltas of 64 bits to the totals; return keys whose totals are at a limit now."""
        ...

    def add_each(self, cursor: CursorWrapper, piece: dict[str, int]) -> Tried:
        """Add deltas of 64 bits to the totals, in order, each by itself; return how it went."""
        ...

    def totals_of(self, cursor: CursorWrapper, keys: Collection[str]) -> dict[str, int]:
        """Return the totals of those keys that have one, by one index lookup for each."""
        ...

    def only_totals(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Leave out rows whose value is no whole number, as a person may have put them in."""
        ...

    def limited_reads(self) -> AbstractContextManager[None]:
        """Return a context in which each statement that reads ends in time, or fails."""
        ...

    def limited_locks(self) -> AbstractContextManager[None]:
        """Return a context in which no statement waits long for a lock."""
        ...

    def is_cut(self, error: Error) -> bool:
        """Return whether the connection had ended, so that a new one may serve."""
        ...

    def reader(self) -> TotalsReader:
        """Return what reads totals over a connection that stays open."""
        ...

    def tidy(self, cursor: CursorWrapper) -> None:
        """See to it that nothing of a flush is in other files than the database's own."""
        ...

    def all_rows(self, count: int) -> Generator[list[tuple[Any, Any]], None, None]:
        """Yield all keys and totals, so many at a time, in the order of the keys' code points.

        One statement reads them, over a connection of its own that any thread may use.
        """
        ...

    def begin_staging(self, cursor: CursorWrapper) -> None:
        """Make the table of staged rows, without any; not in a transaction."""
        ...

    def stage(self, cursor: CursorWrapper, rows: Rows) -> None:
        """Add rows to those that are staged; not in a transaction."""
        ...

    def index_staged(self, cursor: CursorWrapper) -> None:
        """Make single keys quick to find among those that are staged; not in a transaction."""
        ...

    def add_staged(self, cursor: CursorWrapper) -> list[str]:
        """Add what is staged to the totals; return keys whose totals are at a limit now.

        The sum of each key's values, and its total, stop at the limits of 64 bits.
        """
        ...

    def put_staged(self, cursor: CursorWrapper) -> int:
        """Have each key that is staged have the value that is staged; return how many it was."""
        ...

    def is_refusal(self, error: Error) -> bool:
        """Return whether the database has refused a row, so that others may be fine."""
        ...

    def table_problems(self) -> list[str]:
        """Return a sentence, with advice, for each reason why increments cannot get in."""
        ...

    def check(self) -> list[CheckMessage]:
        """Return an error for each answer of the connection on which no promise can stand."""
        ...


def dialect_of(connection: BaseDatabaseWrapper) -> Dialect:
    """Return the dialect of the database that is connected to.

    Raises:
        ImproperlyConfigured: the counters know no such database.
    """
    if connection.vendor == "sqlite":
        return SQLite(connection)
    if connection.vendor == "postgresql":
        return PostgreSQL(connection)
    raise ImproperlyConfigured(
        f"The counters cannot be kept in {connection.display_name}: they know SQLite and"
        f" PostgreSQL. Set DATABASE in COUNTERS to the alias of such a database."
    )
