"""PostgreSQL's tables, looked at."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.utils import CursorWrapper

from counters.dialects.tables import (
    OTHERWISE,
    Table,
    UniqueIndex,
    has_to_be_given,
    index_problems,
    is_missing,
    is_no_table,
    is_of_another_type,
    refers,
)
from counters.increments import MAX_KEY_LENGTH

_TYPES = {"text": ("text", "varchar"), "integer": ("int8",)}
_TABLE = """
    SELECT c.oid, c.relkind, c.relpersistence,
        EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid),
        EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
        EXISTS (SELECT FROM pg_trigger WHERE tgrelid = c.oid AND tgdeferrable),
        row_security_active(c.oid)
    FROM pg_class AS c WHERE c.oid = to_regclass(%s)
    """
_COLUMNS = """
    SELECT a.attname, b.typname, a.atttypmod, coalesce(l.collisdeterministic, true),
        a.attgenerated <> '',
        a.attnotnull AND NOT a.atthasdef AND a.attidentity = ''
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    JOIN pg_type AS b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    """
_UNIQUE_INDEXES = """
    SELECT
        ARRAY(
            SELECT a.attname::text FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, place)
            LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
            WHERE k.place <= i.indnkeyatts ORDER BY k.place
        ),
        i.indisvalid AND i.indimmediate AND i.indpred IS NULL,
        NOT EXISTS (
            SELECT FROM pg_collation
            WHERE oid = ANY (i.indcollation) AND NOT collisdeterministic
        )
    FROM pg_index AS i WHERE i.indrelid = %s AND i.indisunique
    """

_LACKING_RIGHTS = """
    SELECT needed, current_user FROM unnest(%s::text[]) AS needed
    WHERE NOT has_table_privilege(%s::oid, needed)
    """


def problems(cursor: CursorWrapper, table: Table, quoted_name: str) -> Iterator[str]:
    """Yield a sentence, with advice, for each reason why a table cannot be counted into."""
    cursor.execute(_TABLE, [quoted_name])
    found = cursor.fetchone()
    if found is None:
        yield is_missing(table.name)
        return
    oid, kind, persistence, has_rules, has_foreign_key, is_deferred, is_row_secure = found
    if kind not in ("r", "p"):
        kinds = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
        yield is_no_table(table.name, kinds.get(kind, "something else"))
        return
    yield from _column_problems(cursor, table, oid)
    cursor.execute(_UNIQUE_INDEXES, [oid])
    yield from index_problems(table, [UniqueIndex(*row) for row in cursor.fetchall()])
    if persistence != "p":
        yield (
            f"Table {table.name!r} is UNLOGGED: a crash of PostgreSQL would empty it."
            f" ALTER TABLE {table.name} SET LOGGED."
        )
    if has_rules:
        yield f"Table {table.name!r} has a rule, which INSERT ... ON CONFLICT cannot have. Drop it."
    if has_foreign_key:
        yield refers(table.name)
    elif is_deferred:
        yield (
            f"Table {table.name!r} has a deferrable trigger or constraint: one key could undo the"
            " flush of all at its COMMIT. Make it NOT DEFERRABLE."
        )
    if is_row_secure:
        yield f"Table {table.name!r} has row security that binds this user. Give it BYPASSRLS."
    cursor.execute(_LACKING_RIGHTS, [list(table.rights), oid])
    for right, user in cursor.fetchall():
        yield (
            f"User {user!r} may not {right} in table {table.name!r}."
            f" GRANT {right} ON {table.name} TO {user}."
        )


def _column_problems(cursor: CursorWrapper, table: Table, oid: int) -> Iterator[str]:
    cursor.execute(_COLUMNS, [oid])
    columns = {row[0]: row[1:] for row in cursor.fetchall()}
    for name, kind in table.columns.items():
        if name not in columns:
            yield f"Table {table.name!r} has no column {name!r}. {OTHERWISE}"
            continue
        type_, modifier, is_deterministic, is_generated, _ = columns[name]
        is_wrong = kind and type_ not in _TYPES[kind]
        # A varchar's modifier is its length and 4. Journals have shorter names than keys.
        needed = MAX_KEY_LENGTH if name == "key" else 0
        is_short = type_ == "varchar" and 0 <= modifier < needed + 4
        if is_wrong or is_short or is_generated or (name == table.key and not is_deterministic):
            yield is_of_another_type(table.name, name, type_)
    for name, (*_, has_to_be) in columns.items():
        if name not in table.columns and has_to_be:
            yield has_to_be_given(table.name, name)
