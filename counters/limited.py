"""Reading and changing totals with an end, whatever the database does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from django.db import Error

from counters import totals
from counters.dialects import dialect_of

Result = TypeVar("Result")


def limited_reads() -> AbstractContextManager[None]:
    """Return a context in which each statement that reads ends in time, or fails."""
    return dialect_of(totals.connection()).limited_reads()


def limited_locks() -> AbstractContextManager[None]:
    """Return a context in which no statement waits long for a lock."""
    return dialect_of(totals.connection()).limited_locks()


def found(find: Callable[[], Result]) -> Result:
    """Call a function that reads totals, and return what it finds.

    Where the server has cut the connection since its last use, it is called once more.

    Raises:
        django.db.Error: the database failed, or took too long.
    """
    connection = totals.connection()
    was_open = connection.connection is not None and not connection.in_atomic_block
    try:
        return find()
    except Error as error:
        if not (was_open and dialect_of(connection).is_cut(error)):
            raise
    totals.close_connection()
    return find()
