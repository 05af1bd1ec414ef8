"""PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

import msgspec
from django.core.checks import CheckMessage, Error
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.dialects.common import LIMITS, check_autocommit, lock_position, upsert
from counters.models import Number, Position

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
        self.lock_position = lock_position(positions)
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
        merge = upsert(self._table, source, order='key COLLATE "C"')
        cursor.execute(
            f"WITH merged AS ({merge} RETURNING total.key, total.value)"
            f" SELECT key FROM merged WHERE value IN {LIMITS}",
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
        errors = check_autocommit(self._connection)
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
