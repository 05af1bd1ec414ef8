"""PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import AbstractContextManager
from itertools import chain
from typing import Any

import msgspec
from django.core import checks
from django.core.checks import CheckMessage
from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.models import QuerySet

from counters.dialects import postgresql_tables
from counters.dialects.common import (
    LIMITS,
    MIN,
    SUM,
    check_autocommit,
    encode,
    lock_position,
    select_all,
    upsert,
)
from counters.dialects.one_by_one import GIVEN, TRIED, Tried, plpgsql
from counters.dialects.postgresql_reader import (
    WAIT_FOR_LOCKS,
    PostgreSQLReader,
    is_cut,
    limited_locks,
    limited_reads,
    read,
    select,
    state_of,
)
from counters.dialects.request_ids import PostgreSQLIds
from counters.dialects.staging import STAGED, Rows
from counters.dialects.tables import table_errors, wanted_tables, what_matters
from counters.increments import MAX_VALUE
from counters.models import Number, Position

_MAX_PARAMETER_BYTES = 20 * 1024 * 1024
"""Enough for a million short keys. On its way, the client has it in memory up to ten times."""

_FAILURES = (
    *("08", "0A", "25", "26", "28", "2D", "3B", "3D", "3F"),
    *("40", "42", "53", "55", "57", "58", "F0", "XX"),
)
"""Classes of errors that are about the connection, the transaction, the statement or the server,
and not about a row (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


class PostgreSQL:
    """Deltas are one parameter, as JSON. It is put together from pieces that are encoded one by
    one: to encode a million keys at once would hold up requests. Where that would be very long,
    they are staged in a temporary table, piece by piece. The schema `pg_temp` belongs to the
    connection alone."""

    today = "(now() AT TIME ZONE 'utc')::date"
    code_point_order = "C"
    staged = f"pg_temp.{STAGED}"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self.request_ids = PostgreSQLIds(connection)
        quote = connection.ops.quote_name
        self._positions = positions = quote(Position._meta.db_table)
        self._table = quote(Number._meta.db_table)
        self.lock_position = lock_position(positions)
        self.lock_everything = f"LOCK TABLE {positions} IN EXCLUSIVE MODE"

    def add(self, cursor: CursorWrapper, pieces: Iterable[dict[str, int]]) -> list[str]:
        given = "(SELECT key, value::bigint FROM json_each_text(%s::json)) AS delta"
        members = (encode(piece)[1:-1] for piece in pieces)
        first: list[str] = []
        length_bytes = 0
        for each in members:
            first.append(each.decode())
            length_bytes += len(each)
            if length_bytes > _MAX_PARAMETER_BYTES:
                break
        else:
            return self._merge(cursor, given, [_object(first)])
        cursor.execute(
            "CREATE TEMPORARY TABLE IF NOT EXISTS counters_deltas (key text, value bigint)"
            " ON COMMIT DROP"
        )
        cursor.execute("TRUNCATE pg_temp.counters_deltas")
        for text in chain(first, map(bytes.decode, members)):
            insert = f"INSERT INTO pg_temp.counters_deltas SELECT * FROM {given}"
            cursor.execute(insert, [_object([text])])
        return self._merge(cursor, "pg_temp.counters_deltas", [])

    def make_ready(self, cursor: CursorWrapper) -> None:
        pass

    def add_each(self, cursor: CursorWrapper, piece: dict[str, int]) -> Tried:
        cursor.execute("SELECT set_config(%s, %s, true)", [GIVEN, encode(piece).decode()])
        cursor.execute(plpgsql(self._table, _FAILURES))
        cursor.execute("SELECT current_setting(%s)", [TRIED])
        return msgspec.json.decode(cursor.fetchone()[0], type=Tried)

    def all_rows(self, count: int) -> Generator[list[tuple[Any, Any]], None, None]:
        connection = self._connection.copy()
        connection.inc_thread_sharing()
        try:
            with connection.cursor() as cursor:
                cursor.execute(WAIT_FOR_LOCKS)
            with connection.chunked_cursor() as cursor:
                cursor.execute(select_all(self._table, self.code_point_order))
                while rows := cursor.fetchmany(count):
                    yield rows
        finally:
            connection.close()

    def begin_staging(self, cursor: CursorWrapper) -> None:
        cursor.execute(f"DROP TABLE IF EXISTS {self.staged}")
        cursor.execute(
            f'CREATE TEMPORARY TABLE {STAGED} (line bigint, key text COLLATE "C", value bigint)'
        )

    def stage(self, cursor: CursorWrapper, rows: Rows) -> None:
        into: Any = cursor  # psycopg's own, which has COPY: ten times as fast as arrays
        with into.copy(f"COPY {self.staged} FROM STDIN") as copy:
            for row in zip(*rows, strict=True):
                copy.write_row(row)

    def index_staged(self, cursor: CursorWrapper) -> None:
        cursor.execute(f"CREATE INDEX ON {self.staged} (key, value)")
        cursor.execute(f"ANALYZE {self.staged}")

    def add_staged(self, cursor: CursorWrapper) -> list[str]:
        given = f"greatest(least(sum(value), {MAX_VALUE}), {MIN})::bigint"
        cursor.execute(f"ANALYZE {self.staged}")
        cursor.execute(
            f"WITH merged AS ({self._update(given, SUM)} RETURNING total.key, total.value)"
            f" SELECT key FROM merged WHERE value IN {LIMITS}"
        )
        at_limit = [key for (key,) in cursor.fetchall()]
        cursor.execute(self._insert(given))
        return at_limit

    def put_staged(self, cursor: CursorWrapper) -> int:
        cursor.execute(self._update("min(value)", "excluded.value"))
        count = int(cursor.rowcount)
        cursor.execute(self._insert("min(value)"))
        return count + int(cursor.rowcount)

    # Two statements: where all keys are new, an upsert takes twice as long as a plain insert. The
    # transaction keeps out whoever else would insert.

    def _update(self, given: str, value: str) -> str:
        return f"""
            UPDATE {self._table} AS total SET value = {value}
            FROM (SELECT key, {given} AS value FROM {self.staged} GROUP BY key) AS excluded
            WHERE excluded.key = total.key COLLATE "C"
            """

    def _insert(self, given: str) -> str:
        return f"""
            INSERT INTO {self._table} (key, value)
            SELECT key, {given} FROM {self.staged} AS staged WHERE NOT EXISTS
                (SELECT FROM {self._table} AS total WHERE total.key COLLATE "C" = staged.key)
            GROUP BY key ORDER BY key
            """

    def _merge(self, cursor: CursorWrapper, source: str, parameters: list[str]) -> list[str]:
        # The same order for everyone; and the index's, so that its neighbours are changed together.
        merge = upsert(self._table, source, order='key COLLATE "C"')
        cursor.execute(
            f"WITH merged AS ({merge} RETURNING total.key, total.value)"
            f" SELECT key FROM merged WHERE value IN {LIMITS}",
            parameters,
        )
        return [key for (key,) in cursor.fetchall()]

    def totals_of(self, cursor: CursorWrapper, keys: Collection[str]) -> dict[str, int]:
        return read(self._connection, cursor, select("key", "value", self._table), keys)

    def limited_reads(self) -> AbstractContextManager[None]:
        return limited_reads(self._connection)

    def limited_locks(self) -> AbstractContextManager[None]:
        return limited_locks(self._connection)

    def only_totals(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows

    def reader(self) -> PostgreSQLReader:
        return PostgreSQLReader(self._connection, self._table, self._positions)

    def tidy(self, cursor: CursorWrapper) -> None:
        pass  # the server sees to it

    def is_refusal(self, error: Error) -> bool:
        state = state_of(error)  # without one, the connection is gone
        return state is not None and not state.startswith(_FAILURES)

    def is_cut(self, error: Error) -> bool:
        return is_cut(error)

    def table_problems(self) -> list[str]:
        quote = self._connection.ops.quote_name
        with self._connection.cursor() as cursor:
            return what_matters(
                [
                    problem
                    for table in wanted_tables()
                    for problem in postgresql_tables.problems(cursor, table, quote(table.name))
                ]
            )

    def check(self) -> list[CheckMessage]:
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW synchronous_commit")
            (synchronous_commit,) = cursor.fetchone()
            cursor.execute("SHOW server_encoding")
            (encoding,) = cursor.fetchone()
            cursor.execute("SHOW fsync")
            (fsync,) = cursor.fetchone()
        errors = check_autocommit(self._connection) + table_errors(self.table_problems())
        if fsync == "off":
            errors.append(
                checks.Error(
                    "PostgreSQL runs with fsync=off: after a crash of its machine the totals may be"
                    " damaged, and the journals they came from are gone.",
                    hint="Set fsync = on in postgresql.conf.",
                    id="counters.E023",
                )
            )
        if synchronous_commit == "off":
            errors.append(
                checks.Error(
                    "PostgreSQL runs with synchronous_commit=off: after a crash of its machine a"
                    " flush may be undone whose journal has been removed.",
                    hint="ALTER DATABASE ... SET synchronous_commit = on, or 'local'.",
                    id="counters.E021",
                )
            )
        if encoding != "UTF8":
            errors.append(
                checks.Error(
                    f"PostgreSQL's database has the encoding {encoding}: it cannot hold every key.",
                    hint="Make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0.",
                    id="counters.E022",
                )
            )
        return errors


def _object(members: list[str]) -> str:
    """Return the JSON object that has all these members; it may be long, so it is made once."""
    members[0] = "{" + members[0]
    members[-1] += "}"
    return ",".join(members)
