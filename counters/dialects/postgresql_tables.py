"""PostgreSQL's tables, looked at."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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

_TYPES = {
    "text": ("text", "varchar"),
    "integer": ("int8",),
    "short integer": ("int4", "int8"),
    "digest": ("uuid",),
}
_TABLE = """
    SELECT c.oid, c.relkind,
        EXISTS (SELECT FROM pg_rewrite WHERE ev_class = c.oid), row_security_active(c.oid)
    FROM pg_class AS c WHERE c.oid = to_regclass(%s)
    """
_PARTS = """
    SELECT c.oid, c.oid::regclass::text, c.relpersistence,
        EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND contype = 'f'),
        EXISTS (
            SELECT FROM pg_trigger AS g
            LEFT JOIN pg_constraint AS r
                ON r.oid = g.tgconstraint AND r.contype = 'f' AND r.confrelid = c.oid
            WHERE g.tgrelid = c.oid AND g.tgdeferrable AND (
                g.tgtype & %(always)s <> 0
                OR g.tgtype & 16 <> 0 AND CASE
                    WHEN r.oid IS NOT NULL THEN r.confkey && written.columns
                    ELSE cardinality(g.tgattr::int2[]) = 0 OR g.tgattr::int2[] && written.columns
                END
            )
        )
    FROM pg_class AS c, LATERAL (
        SELECT ARRAY(
            SELECT attnum FROM pg_attribute WHERE attrelid = c.oid AND attname = ANY (%(written)s)
        ) AS columns
    ) AS written
    WHERE c.oid = %(table)s OR c.oid IN (SELECT relid FROM pg_partition_tree(%(table)s))
    ORDER BY c.oid <> %(table)s, c.oid
    """
"""A table, then its partitions. What a foreign key of another table refers to is checked by a
trigger on this one, which does nothing as long as those columns stay as they are."""
_INSERT, _DELETE = 4, 8  # in pg_trigger.tgtype
_COLUMNS = """
    SELECT a.attname, t.name, t.modifier, coalesce(l.collisdeterministic, true),
        a.attgenerated <> '',
        (a.attnotnull OR t.is_not_null)
            AND NOT a.atthasdef AND NOT t.has_default AND a.attidentity = ''
    FROM pg_attribute AS a
    CROSS JOIN LATERAL (
        WITH RECURSIVE types AS (
            SELECT 0 AS depth, a.atttypmod AS modifier, t.* FROM pg_type AS t
            WHERE t.oid = a.atttypid
            UNION ALL
            SELECT d.depth + 1, d.typtypmod, t.* FROM types AS d
            JOIN pg_type AS t ON t.oid = d.typbasetype WHERE d.typtype = 'd'
        )
        SELECT
            (array_agg(typname ORDER BY depth DESC))[1] AS name,
            coalesce(min(modifier) FILTER (WHERE modifier >= 0), -1) AS modifier,
            bool_or(typnotnull) AS is_not_null,
            (array_agg(typdefault IS NOT NULL ORDER BY depth))[1] AS has_default
        FROM types
    ) AS t
    LEFT JOIN pg_collation AS l ON l.oid = a.attcollation
    WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped
    """
"""Of a domain, that is what it is made of in the end. It may be over another domain."""
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
    oid, kind, has_rules, is_row_secure = found
    if kind not in ("r", "p"):
        kinds = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
        yield is_no_table(table.name, kinds.get(kind, "something else"))
        return
    yield from _column_problems(cursor, table, oid)
    yield from _part_problems(cursor, table, oid)
    if has_rules:
        yield f"Table {table.name!r} has a rule, which INSERT ... ON CONFLICT cannot have. Drop it."
    if is_row_secure:
        yield f"Table {table.name!r} has row security that binds this user. Give it BYPASSRLS."
    cursor.execute(_LACKING_RIGHTS, [list(table.rights), oid])
    for right, user in cursor.fetchall():
        yield (
            f"User {user!r} may not {right} in table {table.name!r}."
            f" GRANT {right} ON {table.name} TO {user}."
        )


def _part_problems(cursor: CursorWrapper, table: Table, oid: int) -> Iterator[str]:
    """Yield what is wrong with the table or one of its partitions, each a table of its own."""
    cursor.execute(
        _PARTS,
        {
            "table": oid,
            "always": _INSERT * ("INSERT" in table.rights) + _DELETE * ("DELETE" in table.rights),
            "written": [name for name in table.columns if name != table.key],
        },
    )
    for part_oid, name, persistence, has_foreign_key, is_deferred in cursor.fetchall():
        part = table if part_oid == oid else replace(table, name=name)
        cursor.execute(_UNIQUE_INDEXES, [part_oid])
        yield from index_problems(part, [UniqueIndex(*row) for row in cursor.fetchall()])
        if persistence != "p":
            yield (
                f"Table {part.name!r} is UNLOGGED: a crash of PostgreSQL would empty it."
                f" ALTER TABLE {part.name} SET LOGGED."
            )
        if has_foreign_key:
            yield refers(part.name)
        elif is_deferred:
            yield (
                f"Table {part.name!r} has a deferrable trigger or constraint: one key could undo"
                " the flush of all at its COMMIT. Make it NOT DEFERRABLE."
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
