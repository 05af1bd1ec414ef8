"""SQLite's tables, looked at: it takes any text for a type, and so any table for one of ours."""

from __future__ import annotations

import re
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

_INTEGER = ("INTEGER", "NUMERIC")
_AFFINITIES = {
    "text": ("TEXT",),
    "integer": _INTEGER,
    "short integer": _INTEGER,
    "digest": ("BLOB",),
}
_names_and_comments = re.compile(
    r"--[^\n]*|/\*.*?(?:\*/|$)|'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^]]*\]", re.DOTALL
)
_rolls_back = re.compile(r"\b(?:OR|CONFLICT|RAISE\s*\()\s*ROLLBACK\b", re.IGNORECASE).search
_loses = re.compile(r"\bON\s+CONFLICT\s+(?:IGNORE|REPLACE)\b", re.IGNORECASE).search


def affinity(type_: str) -> str:
    """Return the affinity of a column's declared type (https://sqlite.org/datatype3.html)."""
    for words, found in (
        (("INT",), "INTEGER"),
        (("CHAR", "CLOB", "TEXT"), "TEXT"),
        (("BLOB",), "BLOB"),
        (("REAL", "FLOA", "DOUB"), "REAL"),
    ):
        if any(word in type_.upper() for word in words):
            return found
    return "NUMERIC" if type_ else "BLOB"


def problems(cursor: CursorWrapper, table: Table) -> Iterator[str]:
    """Yield a sentence, with advice, for each reason why a table cannot be counted into."""
    cursor.execute(
        "SELECT type, sql FROM main.sqlite_master WHERE lower(name) = lower(%s)"
        " AND type IN ('table', 'view')",
        [table.name],
    )
    found = cursor.fetchone()
    if found is None:
        yield is_missing(table.name)
        return
    type_, sql = found[0], _names_and_comments.sub(" ", found[1])
    if type_ == "view" or sql.upper().startswith("CREATE VIRTUAL"):
        yield is_no_table(table.name, "a view" if type_ == "view" else "a virtual table")
        return
    yield from _column_problems(cursor, table)
    indexes = list(_unique_indexes(cursor, table.name))
    yield from index_problems(table, indexes)
    if _loses(sql) and any(list(index.columns) != [table.key] for index in indexes):
        yield (
            f"Table {table.name!r} has a further unique index, and ON CONFLICT IGNORE or REPLACE:"
            " one key would be dropped for another one, without a word. Use ABORT."
        )
    cursor.execute("SELECT 1 FROM pragma_foreign_key_list(%s, 'main')", [table.name])
    if cursor.fetchone():
        yield refers(table.name)
    cursor.execute(
        "SELECT sql FROM main.sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = lower(%s)",
        [table.name],
    )
    triggers = [_names_and_comments.sub(" ", row[0]) for row in cursor.fetchall()]
    if any(map(_rolls_back, (sql, *triggers))):
        yield (
            f"Table {table.name!r} or a trigger of it has ROLLBACK: one key would undo the flush"
            " of all. Use ABORT."
        )


def _column_problems(cursor: CursorWrapper, table: Table) -> Iterator[str]:
    cursor.execute(
        'SELECT lower(name), type, "notnull", dflt_value, pk, hidden'
        " FROM pragma_table_xinfo(%s, 'main')",
        [table.name],
    )
    columns = {row[0]: row[1:] for row in cursor.fetchall()}
    for name, kind in table.columns.items():
        if name not in columns:
            yield f"Table {table.name!r} has no column {name!r}. {OTHERWISE}"
            continue
        type_, *_, hidden = columns[name]
        if hidden or (kind and affinity(type_) not in _AFFINITIES[kind]):
            yield is_of_another_type(table.name, name, type_)
    for name, (type_, not_null, default, primary, hidden) in columns.items():
        is_given = default is not None and default.upper() != "NULL"
        is_made = hidden or is_given or (primary and type_.upper() == "INTEGER")
        if name not in table.columns and not_null and not is_made:
            yield has_to_be_given(table.name, name)


def _unique_indexes(cursor: CursorWrapper, table: str) -> Iterator[UniqueIndex]:
    cursor.execute(
        "SELECT name, partial FROM pragma_index_list(%s, 'main') WHERE \"unique\"", [table]
    )
    for name, partial in cursor.fetchall():
        cursor.execute(
            "SELECT lower(name), coll FROM pragma_index_xinfo(%s, 'main') WHERE key ORDER BY seqno",
            [name],
        )
        columns = cursor.fetchall()
        yield UniqueIndex(
            columns=[column for column, _ in columns],
            is_whole=not partial,
            is_exact=all(collation == "BINARY" for _, collation in columns),
        )
