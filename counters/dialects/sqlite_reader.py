"""Reading totals from SQLite again and again, over a connection that stays open."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from urllib.parse import quote

import msgspec
from django.db import DatabaseError

_MAX_WAL_BYTES = 256 * 1024 * 1024
"""How long the `-wal` file may be when a statement begins that reads everything."""
_TIMEOUT_SECONDS = 5.0


def select(name: str, value: str, table: str, placeholder: str) -> str:
    """Return the statement that reads values by their names. Both are one parameter, as JSON."""
    # One row: for each, Python's lock is given up, and under load it is long in coming back.
    # What somebody has put in by hand and is no whole number is left out: JSON has no place for
    # some of it, and others' values come in the same row.
    return (
        f"SELECT json_group_array(json_array(found.{name}, found.{value}))"
        f" FROM json_each({placeholder}) AS given CROSS JOIN {table} AS found"
        f" ON found.{name} = given.value AND typeof(found.{value}) = 'integer'"
    )


def open_to_read(name: str) -> sqlite3.Connection:
    """Return a connection that cannot write, and that any thread may use.

    Args:
        name: the path of the database, or its address (`file:…`), as one in memory has it.
    """
    address = name if name.startswith("file:") else f"file:{quote(name)}?mode=ro"
    return sqlite3.connect(address, uri=True, timeout=_TIMEOUT_SECONDS, check_same_thread=False)


def check_wal(name: str) -> None:
    """Look whether there is room for what is written while a long statement reads.

    Until it ends, the `-wal` file grows. It has to end before the file may shrink, so statements
    that overlap without end would have it grow without end.

    Args:
        name: the path of the database.

    Raises:
        DatabaseError: the file is so long already that no other such statement may begin.
    """
    with suppress(OSError):  # there is none, or the database is in memory
        wal_bytes = os.stat(f"{name}-wal").st_size
        if wal_bytes > _MAX_WAL_BYTES:
            raise DatabaseError(
                f"{name}-wal has {wal_bytes} bytes: other exports, or an import, have to end first"
            )


class SQLiteReader:
    """A connection that cannot write.

    One that can would bring what other connections have written since into its own file when it is
    closed, and remove what they have written it to. If the database has been replaced meanwhile,
    that is another file than theirs, and both would be damaged.
    """

    def __init__(self, path: str, totals: str, positions: str) -> None:
        """
        Args:
            totals, positions: names of the tables, as they stand in a statement.
        """
        self._path = path
        self._totals = select("key", "value", totals, "?")
        self._positions = select("journal", "position", positions, "?")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def totals_of(self, keys: Collection[str]) -> dict[str, int]:
        return self._read(self._totals, keys)

    def positions_of(self, journals: Collection[str]) -> dict[str, int]:
        return self._read(self._positions, journals)

    def _read(self, statement: str, names: Collection[str]) -> dict[str, int]:
        try:
            json = msgspec.json.encode(list(names)).decode()
            (found,) = self._current().execute(statement, [json]).fetchone()
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise DatabaseError(str(error)) from error
        return dict(msgspec.json.decode(found))

    def _current(self) -> sqlite3.Connection:
        """Return a connection to the file that is there now."""
        found = os.stat(self._path)
        file = (found.st_dev, found.st_ino)
        if self._connection is None or file != self._file:
            self.close()
            self._connection = open_to_read(self._path)
            self._file = file
        return self._connection

    def close(self) -> None:
        """Let go of the database; the next use opens it again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
