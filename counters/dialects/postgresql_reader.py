"""Reading totals from PostgreSQL, which may stand still: a lock on a table is waited for for ever.

A limit that is set for a connection would be one for its flushes, too; and where a pool is between,
for those of others. So it is set for one transaction, in the same message as the statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from django.db import Error, InterfaceError, OperationalError
from django.db import transaction as django_transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.dialects.common import LONGEST_LOCK_SECONDS, LONGEST_READ_SECONDS

_LIMIT = f"SET LOCAL statement_timeout = {round(LONGEST_READ_SECONDS * 1000)}"
WAIT_FOR_LOCKS = f"SET lock_timeout = {round(LONGEST_LOCK_SECONDS * 1000)}"

_CUT = ("08", "57P01", "57P02")
"""How the server says that a connection has ended."""


def select(name: str, value: str, table: str) -> str:
    """Return the statement that reads values by their names, which are one parameter."""
    return f"SELECT {name}, {value} FROM {table} WHERE {name} = ANY(%s)"


def read(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    statement: str,
    names: Collection[str],
) -> dict[str, int]:
    """Execute a `select`, for so long at the most."""
    # With parameters that the server binds, a message has one statement.
    is_one = connection.in_atomic_block or connection.settings_dict["OPTIONS"].get(
        "server_side_binding"
    )
    cursor.execute(statement if is_one else f"{_LIMIT}; {statement}", [list(names)])
    while cursor.description is None and cursor.nextset():
        pass  # psycopg begins with what the first statement says, psycopg2 with the last
    return dict(cursor.fetchall())


@contextmanager
def limited_reads(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Return a context in which each statement of this thread ends in time; it is a transaction."""
    with django_transaction.atomic(using=connection.alias):
        with connection.cursor() as cursor:
            cursor.execute(_LIMIT)
        yield


@contextmanager
def limited_locks(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Return a context in which no statement of this thread waits longer for a lock."""
    with connection.cursor() as cursor:
        cursor.execute(WAIT_FOR_LOCKS)
    try:
        yield
    finally:
        if connection.connection is not None:
            with suppress(Error), connection.cursor() as cursor:
                cursor.execute("RESET lock_timeout")


def state_of(error: Error) -> str | None:
    """Return the code of an error; None where the server has not told it."""
    # psycopg2 calls it otherwise.
    state = getattr(error.__cause__, "sqlstate", None) or getattr(error.__cause__, "pgcode", None)
    return None if state is None else str(state)


def is_cut(error: Error) -> bool:
    """Return whether the connection had ended before or while it was used."""
    state = state_of(error)
    return isinstance(error, OperationalError | InterfaceError) and (
        state is None or state.startswith(_CUT)
    )


class PostgreSQLReader:
    """Reads totals again and again, over a connection of its own."""

    def __init__(self, connection: BaseDatabaseWrapper, totals: str, positions: str) -> None:
        """
        Args:
            totals, positions: names of the tables, as they stand in a statement.
        """
        self._connection = connection.copy()
        self._totals = select("key", "value", totals)
        self._positions = select("journal", "position", positions)

    def totals_of(self, keys: Collection[str]) -> dict[str, int]:
        return self._read(self._totals, keys)

    def positions_of(self, journals: Collection[str]) -> dict[str, int]:
        return self._read(self._positions, journals)

    def _read(self, statement: str, names: Collection[str]) -> dict[str, int]:
        was_open = self._connection.connection is not None
        try:
            return self._read_once(statement, names)
        except Error as error:
            if not (was_open and is_cut(error)):
                raise
        return self._read_once(statement, names)  # over a new connection

    def _read_once(self, statement: str, names: Collection[str]) -> dict[str, int]:
        try:
            with self._connection.cursor() as cursor:
                return read(self._connection, cursor, statement, names)
        except Error:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the server; the next use connects again."""
        self._connection.close()
