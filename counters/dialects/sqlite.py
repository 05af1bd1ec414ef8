"""SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Generator, Iterable
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

import msgspec
from django.core import checks
from django.core.checks import CheckMessage
from django.db import DatabaseError, DataError, Error, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import CharField, Func, QuerySet

from counters.config import config
from counters.dialects import sqlite_tables
from counters.dialects.common import (
    LIMITS,
    MIN,
    check_autocommit,
    encode,
    lock_position,
    select_all,
    upsert,
)
from counters.dialects.one_by_one import Tried
from counters.dialects.request_ids import SQLiteIds
from counters.dialects.sqlite_reader import SQLiteReader, check_wal, open_to_read, select
from counters.dialects.staging import STAGED, Rows
from counters.dialects.tables import table_errors, wanted_tables, what_matters
from counters.file_system import NETWORK_KINDS, kind_of
from counters.increments import MAX_VALUE
from counters.models import Number, Position

_MAX_STAGED_BYTES = 64 * 1024 * 1024
"""How much JSON is merged at once. The table and what SQLite sorts are both in memory."""

_GROUP = "GROUP BY key"
_LOWER = "sum(value & 4294967295)"
_UPPER = f"(sum(value >> 32) + ({_LOWER} >> 32))"
_SUM = f"""CASE
    WHEN {_UPPER} > 2147483647 THEN {MAX_VALUE}
    WHEN {_UPPER} < -2147483648 THEN {MIN}
    ELSE ({_UPPER} << 32) | ({_LOWER} & 4294967295) END"""
"""The sum of values, which stops at 64 bits: SQLite's own fails beyond them. So the upper and the
lower halves are summed apart."""


class SQLite:
    """Deltas are staged in a temporary table, slice by slice, as JSON, and merged from there.

    All that it makes is in the schema `temp`, which belongs to the connection alone: no name there
    can be somebody else's.
    """

    lock_everything = ""  # there is one writer at a time anyway
    today = "date('now')"
    code_point_order = "BINARY"
    staged = f"temp.{STAGED}"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self.request_ids = SQLiteIds(connection)
        quote = connection.ops.quote_name
        self._table = f"main.{quote(Number._meta.db_table)}"
        self._positions = f"main.{quote(Position._meta.db_table)}"
        self.lock_position = lock_position(self._positions)

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        self._note_limits(cursor)
        cursor.execute("DELETE FROM temp.counters_deltas")
        staged_bytes = 0
        for piece in pieces:
            json = encode(piece)
            cursor.execute(
                "INSERT INTO temp.counters_deltas SELECT key, value FROM json_each(%s)",
                [json.decode()],
            )
            staged_bytes += len(json)
            if staged_bytes > _MAX_STAGED_BYTES:
                self._merge(cursor)
                staged_bytes = 0
        self._merge(cursor)
        return self._noted(cursor)

    def add_each(self, cursor: CursorWrapper, piece: dict[str, int]) -> Tried:
        tried = Tried()
        self._note_limits(cursor)
        add = upsert(self._table, "(SELECT ? AS key, ? AS value)")
        # Not by Django's cursor, which takes as long again as SQLite does.
        execute = self._connection.connection.execute
        with self._connection.wrap_database_errors:
            execute("SAVEPOINT counters_key")
            for delta in piece.items():
                try:
                    execute(add, delta)
                except (sqlite3.IntegrityError, sqlite3.DataError) as error:
                    tried.refused[delta[0]] = str(error)
                    execute("ROLLBACK TO counters_key")  # RAISE (FAIL) leaves what it refuses
                else:
                    execute("RELEASE counters_key")
                    execute("SAVEPOINT counters_key")
            execute("RELEASE counters_key")
        tried.at_limit = self._noted(cursor)
        return tried

    def _note_limits(self, cursor: CursorWrapper) -> None:
        """Have `_noted` return the keys whose totals reach a limit from now on."""
        self.make_ready(cursor)
        cursor.execute("DELETE FROM temp.counters_at_limit")

    def make_ready(self, cursor: CursorWrapper) -> None:
        # In a transaction that makes a table, SQLite reads its schema anew after a ROLLBACK TO.
        # That is 0.3 ms for each key that is refused.
        cursor.execute("CREATE TABLE IF NOT EXISTS temp.counters_deltas (key text, value integer)")
        cursor.execute("CREATE TABLE IF NOT EXISTS temp.counters_at_limit (key text)")
        cursor.execute(
            "CREATE TEMPORARY TRIGGER IF NOT EXISTS counters_note_limit"
            f" AFTER UPDATE ON {self._table} WHEN new.value IN {LIMITS}"
            " BEGIN INSERT INTO counters_at_limit VALUES (new.key); END"
        )

    def _noted(self, cursor: CursorWrapper) -> list[str]:
        cursor.execute("SELECT key FROM temp.counters_at_limit")
        return [key for (key,) in cursor.fetchall()]

    def _merge(self, cursor: CursorWrapper) -> None:
        """Add the staged deltas to the totals, and forget them."""
        cursor.execute(upsert(self._table, "temp.counters_deltas"))
        cursor.execute("DELETE FROM temp.counters_deltas")

    def totals_of(self, cursor: CursorWrapper, keys: Collection[str]) -> dict[str, int]:
        given = msgspec.json.encode(list(keys)).decode()
        cursor.execute(select("key", "value", self._table, "%s"), [given])
        return dict(msgspec.json.decode(cursor.fetchone()[0]))

    def only_totals(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        kind = Func("value", function="typeof", output_field=CharField())
        found: QuerySet[Any] = rows.annotate(kind=kind).filter(kind="integer")
        return found

    # Whoever reads waits for nobody, and who writes waits for a lock as long as `timeout` says.

    def limited_reads(self) -> AbstractContextManager[None]:
        return nullcontext()

    def limited_locks(self) -> AbstractContextManager[None]:
        return nullcontext()

    def is_cut(self, error: Error) -> bool:
        return False

    def reader(self) -> SQLiteReader:
        path = str(self._connection.settings_dict["NAME"])
        return SQLiteReader(path, self._table, self._positions)

    def tidy(self, cursor: CursorWrapper) -> None:
        # The file is whole by itself then, whoever keeps it open. Readers are not waited for long.
        cursor.execute("PRAGMA busy_timeout = 100")
        cursor.execute("PRAGMA main.wal_checkpoint(TRUNCATE)")

    def all_rows(self, count: int) -> Generator[list[tuple[Any, Any]], None, None]:
        name = str(self._connection.settings_dict["NAME"])
        check_wal(name)
        try:
            with closing(open_to_read(name)) as reading:
                cursor = reading.execute(select_all(self._table, self.code_point_order))
                while rows := cursor.fetchmany(count):
                    yield rows
        except sqlite3.Error as error:
            raise DatabaseError(str(error)) from error

    def begin_staging(self, cursor: CursorWrapper) -> None:
        cursor.execute("PRAGMA temp_store = FILE")  # ten million rows have to fit
        cursor.execute(f"DROP TABLE IF EXISTS {self.staged}")
        cursor.execute(
            f"CREATE TABLE {self.staged} (line integer PRIMARY KEY, key text, value integer)"
        )

    def stage(self, cursor: CursorWrapper, rows: Rows) -> None:
        cursor.execute("BEGIN DEFERRED")  # of the temporary database alone: it locks no other
        each: Any = zip(*rows, strict=True)
        cursor.executemany(f"INSERT INTO {self.staged} VALUES (%s, %s, %s)", each)
        cursor.execute("COMMIT")

    def index_staged(self, cursor: CursorWrapper) -> None:
        # With the values, it is all that `put_staged` reads, in order.
        cursor.execute(f"CREATE INDEX {self.staged}_keys ON {STAGED} (key, value)")

    def add_staged(self, cursor: CursorWrapper) -> list[str]:
        self._note_limits(cursor)
        cursor.execute(upsert(self._table, self.staged, given=_SUM, group=_GROUP))
        return self._noted(cursor)

    def put_staged(self, cursor: CursorWrapper) -> int:
        cursor.execute(
            upsert(
                self._table,
                self.staged,
                given="min(value)",
                group=_GROUP,
                value="excluded.value",
            )
        )
        return int(cursor.rowcount)

    def is_refusal(self, error: Error) -> bool:
        return isinstance(error, IntegrityError | DataError)

    def table_problems(self) -> list[str]:
        with self._connection.cursor() as cursor:
            return what_matters(
                [
                    problem
                    for table in wanted_tables()
                    for problem in sqlite_tables.problems(cursor, table)
                ]
            )

    def check(self) -> list[CheckMessage]:
        with self._connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous")
            (synchronous,) = cursor.fetchone()
            cursor.execute("PRAGMA journal_mode")
            (journal_mode,) = cursor.fetchone()
            cursor.execute("PRAGMA database_list")
            files = {name: file for _, name, file in cursor.fetchall()}
        errors = check_autocommit(self._connection) + table_errors(self.table_problems())
        if journal_mode in ("off", "memory") and files.get("main"):
            errors.append(
                checks.Error(
                    f"SQLite runs with journal_mode={journal_mode}: a crash in a flush would damage"
                    " the database.",
                    hint="Have OPTIONS of the database end its init_command with"
                    " 'PRAGMA journal_mode=WAL'.",
                    id="counters.E015",
                )
            )
        if synchronous < 2:
            errors.append(
                checks.Error(
                    "SQLite runs with synchronous=OFF or NORMAL: after a power cut a flush may be"
                    " undone whose journal has been removed.",
                    hint="Have OPTIONS of the database end its init_command with"
                    " 'PRAGMA synchronous=FULL'.",
                    id="counters.E011",
                )
            )
        if getattr(self._connection, "transaction_mode", None) not in ("IMMEDIATE", "EXCLUSIVE"):
            errors.append(
                checks.Error(
                    "SQLite's transactions do not begin IMMEDIATE: a flush beside another writer"
                    " would fail instead of waiting its turn.",
                    hint="Set OPTIONS of the database to {'transaction_mode': 'IMMEDIATE'}.",
                    id="counters.E012",
                )
            )
        if not files.get("main") and not config().is_test_run:
            errors.append(
                checks.Error(
                    "SQLite's database is in memory: each connection would have its own totals.",
                    hint="Set NAME of the database to a file.",
                    id="counters.E013",
                )
            )
        elif files.get("main") and (kind := kind_of(Path(files["main"]))) in NETWORK_KINDS:
            errors.append(
                checks.Error(
                    f"SQLite's database is on a network file system ({kind}), where locks may not"
                    " hold: it can be damaged.",
                    hint="Set NAME of the database to a file on a local disk, or use PostgreSQL.",
                    id="counters.E014",
                )
            )
        return errors
