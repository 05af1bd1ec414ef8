"""Request ids in the database: inserting those that are new, and deleting old ones step by step."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.models import RequestId

ID_BYTES = 16
_SLICE_IDS = 10_000
"""Ids that are encoded at a time: requests wait for some tenths of a millisecond."""
_MAX_PARAMETER_IDS = 400_000
"""So many are 18 MB as PostgreSQL's parameters."""
_UNSIGNED = 2**32 - 1


class Slice(NamedTuple):
    """Some ids, encoded without a step of Python's for each."""

    ids: bytes
    """One behind the other."""
    fingerprints: bytes
    """A JSON list of 32-bit integers with a sign, as databases have them."""

    @property
    def array_of_ids(self) -> str:
        """The inside of an array of PostgreSQL."""
        return self.ids.hex(",", ID_BYTES)

    @property
    def array_of_fingerprints(self) -> str:
        return self.fingerprints[1:-1].decode()


def slices(ids: Mapping[bytes, int]) -> Iterator[Slice]:
    """Yield ids of 16 bytes, which have fingerprints of 32 bits without a sign."""
    items = iter(ids.items())
    while piece := dict(islice(items, _SLICE_IDS)):
        signed = array("i", array("I", piece.values()).tobytes())
        yield Slice(b"".join(piece), msgspec.json.encode(signed.tolist()))


class Tried(NamedTuple):
    """What became of ids that were to be inserted."""

    inserted: int
    """How many of them were."""
    known: dict[bytes, int]
    """Those that were there, with the fingerprints that they have there."""


class SQLiteIds:
    """They are staged in a temporary table, slice by slice, and merged in the index's order.

    SQLite sorts them: that takes a second for a million, in which Python's global lock is free. An
    id that is there is "updated", which a trigger turns into a note of it and no change.
    """

    _hour = "(CAST(strftime('%%s', 'now') AS integer) / 3600)"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._table = f"main.{connection.ops.quote_name(RequestId._meta.db_table)}"

    def make_ready(self, cursor: CursorWrapper) -> None:
        for table in "ids", "known_ids":
            cursor.execute(
                f"CREATE TABLE IF NOT EXISTS temp.counters_{table} (id blob, fingerprint integer)"
            )
        cursor.execute(
            "CREATE TEMPORARY TRIGGER IF NOT EXISTS counters_note_known_id"
            f" BEFORE UPDATE ON {self._table} WHEN new.seen = -1 BEGIN"
            " INSERT INTO counters_known_ids VALUES (old.id, old.fingerprint);"
            " SELECT RAISE (IGNORE); END"
        )

    def insert(self, cursor: CursorWrapper, ids: Mapping[bytes, int]) -> Tried:
        self.make_ready(cursor)
        cursor.execute("DELETE FROM temp.counters_ids")
        cursor.execute("DELETE FROM temp.counters_known_ids")
        for piece in slices(ids):
            cursor.execute(
                "INSERT INTO temp.counters_ids"
                f" SELECT substr(%s, 1 + {ID_BYTES} * key, {ID_BYTES}), value FROM json_each(%s)",
                [piece.ids, piece.fingerprints.decode()],
            )
        cursor.execute(
            f"INSERT INTO {self._table} (id, fingerprint, seen)"
            f" SELECT id, fingerprint, {self._hour} FROM temp.counters_ids WHERE true ORDER BY id"
            " ON CONFLICT (id) DO UPDATE SET seen = -1",
            [],
        )
        inserted = int(cursor.rowcount)
        cursor.execute("DELETE FROM temp.counters_ids")
        cursor.execute("SELECT id, fingerprint FROM temp.counters_known_ids")
        return Tried(inserted, {id_: value & _UNSIGNED for id_, value in cursor.fetchall()})

    def place_behind(self, cursor: CursorWrapper, begin: bytes, rows: int) -> bytes | None:
        cursor.execute(_place_behind(self._table), [begin, rows])
        found = cursor.fetchone()
        return bytes(found[0]) if found else None

    def delete_old(self, cursor: CursorWrapper, begin: bytes, end: bytes | None, hours: int) -> int:
        cursor.execute(*_delete_old(self._table, self._hour, begin, end, hours))
        return int(cursor.rowcount)


class PostgreSQLIds:
    """They are two arrays, or several pairs of such where these would be very long.

    All insert in the order of ids: so two machines cannot wait for each other. (With several pairs
    they can, if they have copies of the same requests: then PostgreSQL ends one of the flushes,
    which is tried again.)
    """

    _hour = "floor(extract(epoch FROM now()) / 3600)::integer"

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._table = connection.ops.quote_name(RequestId._meta.db_table)

    def make_ready(self, cursor: CursorWrapper) -> None:
        pass

    def insert(self, cursor: CursorWrapper, ids: Mapping[bytes, int]) -> Tried:
        rest = self._insert(cursor, ids)
        known = self._fingerprints(cursor, rest)
        if gone := [id_ for id_ in rest if id_ not in known]:
            # Another machine has deleted them, because they were old, since they were found there.
            rest = self._insert(cursor, {id_: ids[id_] for id_ in gone})
            again = self._fingerprints(cursor, rest)
            known |= again
            return Tried(len(ids) - len(known) - (len(rest) - len(again)), known)
        return Tried(len(ids) - len(known), known)

    def _insert(self, cursor: CursorWrapper, ids: Mapping[bytes, int]) -> list[bytes]:
        """Insert what is not there; return what was."""
        rest: list[bytes] = []
        pieces = slices(ids)
        while some := list(islice(pieces, _MAX_PARAMETER_IDS // _SLICE_IDS)):
            cursor.execute(
                f"""
                WITH given AS MATERIALIZED (
                    SELECT id, fingerprint
                    FROM unnest(%s::uuid[], %s::integer[]) AS given (id, fingerprint)
                ),
                inserted AS (
                    INSERT INTO {self._table} (id, fingerprint, seen)
                    SELECT id, fingerprint, {self._hour} FROM given ORDER BY id
                    ON CONFLICT (id) DO NOTHING RETURNING id
                )
                SELECT id FROM given
                WHERE NOT EXISTS (SELECT FROM inserted WHERE inserted.id = given.id)
                """,
                _arrays(some),
            )
            rest += [id_.bytes for (id_,) in cursor.fetchall()]
        return rest

    def _fingerprints(self, cursor: CursorWrapper, ids: Collection[bytes]) -> dict[bytes, int]:
        if not ids:
            return {}
        (parameter, _) = _arrays(list(slices(dict.fromkeys(ids, 0))))
        cursor.execute(
            f"SELECT id, fingerprint FROM {self._table} WHERE id = ANY (%s::uuid[])", [parameter]
        )
        return {id_.bytes: value & _UNSIGNED for id_, value in cursor.fetchall()}

    def place_behind(self, cursor: CursorWrapper, begin: bytes, rows: int) -> bytes | None:
        cursor.execute(_place_behind(self._table), [UUID(bytes=begin), rows])
        found = cursor.fetchone()
        return bytes(found[0].bytes) if found else None

    def delete_old(self, cursor: CursorWrapper, begin: bytes, end: bytes | None, hours: int) -> int:
        until = end and UUID(bytes=end)
        cursor.execute(*_delete_old(self._table, self._hour, UUID(bytes=begin), until, hours))
        return int(cursor.rowcount)


def _arrays(pieces: Collection[Slice]) -> list[str]:
    """Return the ids and their fingerprints, each as one array of PostgreSQL."""
    return [
        "{" + ",".join(piece.array_of_ids for piece in pieces) + "}",
        "{" + ",".join(piece.array_of_fingerprints for piece in pieces) + "}",
    ]


def _place_behind(table: str) -> str:
    return f"SELECT id FROM {table} WHERE id >= %s ORDER BY id LIMIT 1 OFFSET %s"


def _delete_old(
    table: str, hour: str, begin: object, end: object | None, hours: int
) -> tuple[str, list[Any]]:
    """Return the statement that deletes what was seen more than so many hours ago.

    Args:
        end: the first id that is none of those to look at; None: there is none.
    """
    until, parameters = ("", [begin]) if end is None else (" AND id < %s", [begin, end])
    return (
        f"DELETE FROM {table} WHERE id >= %s{until} AND seen < {hour} - %s",
        [*parameters, hours],
    )
