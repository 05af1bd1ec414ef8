"""What differs from database to database: adding deltas, locks, and what has to be checked.

Adding is one statement, for any number of keys. Meanwhile the database does the work, and Python's
global lock is free for requests. It goes in the order of keys: so neighbours in the index are
changed together, and two processes that flush into PostgreSQL cannot wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Protocol

import msgspec
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.config import config
from counters.file_system import NETWORK_KINDS, kind_of
from counters.increments import MAX_VALUE
from counters.models import Number, Position

_MIN = f"(-{MAX_VALUE} - 1)"
"""PostgreSQL reads the number itself as the negative of one beyond 64 bits, a numeric."""
_LIMITS = f"({MAX_VALUE}, {_MIN})"


class Dialect(Protocol):
    """What the counters need of a database.

    Attributes:
        lock_position: a statement with two parameters, a journal's name and today's date. It locks
            the journal's row, which it makes where there is none, and returns its position.
        lock_everything: a statement that keeps every flush out until the transaction ends; empty
            where none is needed.
    """

    lock_position: str
    lock_everything: str

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        """Add deltas of 64 bits to the totals; return keys whose totals are at a limit now."""
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


def _objects(pieces: Iterable[dict[str, int]]) -> Iterator[str]:
    """Yield JSON objects, each of as many pieces as one parameter may have."""
    members: list[bytes] = []
    length_bytes = 0
    for piece in pieces:
        members.append(msgspec.json.encode(piece)[1:-1])
        length_bytes += len(members[-1])
        if length_bytes > _MAX_PARAMETER_BYTES:
            yield f"{{{b','.join(members).decode()}}}"
            members, length_bytes = [], 0
    if members:
        yield f"{{{b','.join(members).decode()}}}"


def _upsert(table: str, source: str, order: str = "key") -> str:
    """Return the statement that adds the rows of `source` to `table`."""
    return f"""
        INSERT INTO {table} AS total (key, value)
        SELECT key, value FROM {source} WHERE true ORDER BY {order}
        ON CONFLICT (key) DO UPDATE SET value = CASE
            WHEN excluded.value > 0 AND total.value > {MAX_VALUE} - excluded.value THEN {MAX_VALUE}
            WHEN excluded.value < 0 AND total.value < {_MIN} - excluded.value THEN {_MIN}
            ELSE total.value + excluded.value END
        """


def _lock_position(table: str) -> str:
    return f"""
        INSERT INTO {table} AS known (journal, position, seen_on) VALUES (%s, 0, %s)
        ON CONFLICT (journal) DO UPDATE SET position = known.position RETURNING position
        """


def _check_autocommit(connection: BaseDatabaseWrapper) -> list[CheckMessage]:
    if connection.settings_dict["AUTOCOMMIT"]:
        return []
    return [
        Error(
            "The database has AUTOCOMMIT off: no flush would ever be committed.",
            hint="Leave AUTOCOMMIT of the database out.",
            id="counters.E016",
        )
    ]


class SQLite:
    """Deltas are staged in a temporary table, slice by slice, as JSON.

    All that it makes is in the schema `temp`, which belongs to the connection alone: no name there
    can be somebody else's.
    """

    lock_everything = ""  # there is one writer at a time anyway

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        quote = connection.ops.quote_name
        self._table = f"main.{quote(Number._meta.db_table)}"
        self.lock_position = _lock_position(f"main.{quote(Position._meta.db_table)}")

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        cursor.execute("CREATE TABLE IF NOT EXISTS temp.counters_deltas (key text, value integer)")
        cursor.execute("CREATE TABLE IF NOT EXISTS temp.counters_at_limit (key text)")
        cursor.execute("DELETE FROM temp.counters_deltas")
        cursor.execute("DELETE FROM temp.counters_at_limit")
        cursor.execute(
            "CREATE TEMPORARY TRIGGER IF NOT EXISTS counters_note_limit"
            f" AFTER UPDATE ON {self._table} WHEN new.value IN {_LIMITS}"
            " BEGIN INSERT INTO counters_at_limit VALUES (new.key); END"
        )
        for piece in pieces:
            cursor.execute(
                "INSERT INTO temp.counters_deltas SELECT key, value FROM json_each(%s)",
                [msgspec.json.encode(piece).decode()],
            )
        cursor.execute(_upsert(self._table, "temp.counters_deltas"))
        cursor.execute("SELECT key FROM temp.counters_at_limit")
        return [key for (key,) in cursor.fetchall()]

    def check(self) -> list[CheckMessage]:
        with self._connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            (synchronous,) = cursor.fetchone()
            cursor.execute("PRAGMA journal_mode")
            (journal_mode,) = cursor.fetchone()
            cursor.execute("PRAGMA database_list")
            files = {name: file for _, name, file in cursor.fetchall()}
        errors = _check_autocommit(self._connection)
        if journal_mode in ("off", "memory") and files.get("main"):
            errors.append(
                Error(
                    f"SQLite runs with journal_mode={journal_mode}: a crash in a flush would damage"
                    " the database.",
                    hint="Have OPTIONS of the database end its init_command with"
                    " 'PRAGMA journal_mode=WAL'.",
                    id="counters.E015",
                )
            )
        if synchronous < 2:
            errors.append(
                Error(
                    "SQLite runs with synchronous=OFF or NORMAL: after a power cut a flush may be"
                    " undone whose journal has been removed.",
                    hint="Have OPTIONS of the database end its init_command with"
                    " 'PRAGMA synchronous=FULL'.",
                    id="counters.E011",
                )
            )
        if getattr(self._connection, "transaction_mode", None) not in ("IMMEDIATE", "EXCLUSIVE"):
            errors.append(
                Error(
                    "SQLite's transactions do not begin IMMEDIATE: a flush beside another writer"
                    " would fail instead of waiting its turn.",
                    hint="Set OPTIONS of the database to {'transaction_mode': 'IMMEDIATE'}.",
                    id="counters.E012",
                )
            )
        if not files.get("main") and not config().is_test_run:
            errors.append(
                Error(
                    "SQLite's database is in memory: each connection would have its own totals.",
                    hint="Set NAME of the database to a file.",
                    id="counters.E013",
                )
            )
        elif files.get("main") and (kind := kind_of(Path(files["main"]))) in NETWORK_KINDS:
            errors.append(
                Error(
                    f"SQLite's database is on a network file system ({kind}), where locks may not"
                    " hold: it can be damaged.",
                    hint="Set NAME of the database to a file on a local disk, or use PostgreSQL.",
                    id="counters.E014",
                )
            )
        return errors


_MAX_PARAMETER_BYTES = 64 * 1024 * 1024
"""PostgreSQL takes a little less than 1 GiB, and a client has to have the memory for it."""


class PostgreSQL:
    """Deltas are one parameter, as JSON. It is put together from pieces that are encoded one by
    one: to encode a million keys at once would hold up requests. Where that would be very long,
    they are staged in a temporary table, part by part. The schema `pg_temp` belongs to the
    connection alone."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        quote = connection.ops.quote_name
        positions = quote(Position._meta.db_table)
        self._table = quote(Number._meta.db_table)
        self.lock_position = _lock_position(positions)
        self.lock_everything = f"LOCK TABLE {positions} IN EXCLUSIVE MODE"

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        given = "(SELECT key, value::bigint FROM json_each_text(%s::json)) AS delta"
        parts = _objects(pieces)
        part, following = next(parts, "{}"), next(parts, None)
        if following is None:
            return self._merge(cursor, given, [part])
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS counters_deltas (key text, value bigint)"
            " ON COMMIT DROP"
        )
        cursor.execute("TRUNCATE pg_temp.counters_deltas")
        for each in chain([part, following], parts):
            cursor.execute(f"INSERT INTO pg_temp.counters_deltas SELECT * FROM {given}", [each])
        return self._merge(cursor, "pg_temp.counters_deltas", [])

    def _merge(self, cursor: CursorWrapper, source: str, parameters: list[str]) -> list[str]:
        # Byte by byte is the fastest order; all that matters is that it is the same for everyone.
        upsert = _upsert(self._table, source, order='key COLLATE "C"')
        cursor.execute(
            f"WITH merged AS ({upsert} RETURNING total.key, total.value)"
            f" SELECT key FROM merged WHERE value IN {_LIMITS}",
            parameters,
        )
        return [key for (key,) in cursor.fetchall()]

    def check(self) -> list[CheckMessage]:
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            (synchronous_commit,) = cursor.fetchone()
            cursor.execute("SHOW server_encoding")
            (encoding,) = cursor.fetchone()
            cursor.execute("SHOW fsync")
            (fsync,) = cursor.fetchone()
        errors = _check_autocommit(self._connection)
        if fsync == "off":
            errors.append(
                Error(
                    "PostgreSQL runs with fsync=off: after a crash of its machine the totals may be"
                    " damaged, and the journals they came from are gone.",
                    hint="Set fsync = on in postgresql.conf.",
                    id="counters.E023",
                )
            )
        if synchronous_commit == "off":
            errors.append(
                Error(
                    "PostgreSQL runs with synchronous_commit=off: after a crash of its machine a"
                    " flush may be undone whose journal has been removed.",
                    hint="ALTER DATABASE ... SET synchronous_commit = on, or 'local'.",
                    id="counters.E021",
                )
            )
        if encoding != "UTF8":
            errors.append(
                Error(
                    f"PostgreSQL's database has the encoding {encoding}: it cannot hold every key.",
                    hint="Make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
                    id="counters.E022",
                )
            )
        return errors
