"""Whether an old table `numbers` can be adopted without losing anything.

Its rows are copied into a new table. So types, collations and indexes of the old one do not matter,
and what hangs on it or has no place in the new one is a reason to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.config import table_names
from incrementer_site.adoptable_rows import quoted, row_problem


def has_table(cursor: CursorWrapper, name: str) -> bool:
    """Whether there is a table or a view of that name; SQLite takes `Numbers` for it, too."""
    cursor.execute(
        "SELECT 1 FROM main.sqlite_master WHERE lower(name) = lower(%s)"
        " AND type IN ('table', 'view')",
        [name],
    )
    return cursor.fetchone() is not None


def key_type(cursor: CursorWrapper, table: str) -> str:
    """Return how the column `key` is declared."""
    cursor.execute(
        "SELECT type FROM pragma_table_info(%s, 'main') WHERE lower(name) = 'key'", [table]
    )
    found = cursor.fetchone()
    return str(found[0]) if found else ""


def adoption_problem(
    connection: BaseDatabaseWrapper, cursor: CursorWrapper, aside: str, made: Collection[str]
) -> str:
    """Return what is wrong, and what to do, for the totals to be adopted; empty if nothing.

    Args:
        aside: the name that the old table is to get.
        made: the other tables that `migrate` is about to make.
    """
    table, _ = table_names()
    if problem := _is_no_table(cursor, table):
        return problem
    if has_table(cursor, aside):
        return f"has a table {table!r}, and a table {aside!r} that waits to be adopted"
    for name in made:
        if has_table(cursor, name):
            return f"has a table {name!r} already: rename it"
    return _hangs_on_it(cursor, table) or content_problem(connection, cursor, table)


def content_problem(connection: BaseDatabaseWrapper, cursor: CursorWrapper, table: str) -> str:
    """Return what is in a table that would be lost, and what to do; empty if nothing."""
    return (
        _other_columns(cursor, table) or row_problem(connection, table) or _key_twice(cursor, table)
    )


def _is_no_table(cursor: CursorWrapper, table: str) -> str:
    cursor.execute(
        "SELECT type, sql FROM main.sqlite_master WHERE lower(name) = lower(%s)"
        " AND type IN ('table', 'view')",
        [table],
    )
    type_, sql = cursor.fetchone()
    if type_ == "view" or sql.upper().startswith("CREATE VIRTUAL"):
        return f"has a {table!r} that is a view or a virtual table, not a table"
    return ""


def _other_columns(cursor: CursorWrapper, table: str) -> str:
    """Columns besides key and value may be there where nothing is in them, or row numbers."""
    cursor.execute("SELECT name, type, pk FROM pragma_table_xinfo(%s, 'main')", [table])
    columns = cursor.fetchall()
    if not {"key", "value"} <= {name.lower() for name, *_ in columns}:
        return f"has a {table!r} that is not a table with the columns key and value"
    full = []
    for name, type_, primary in columns:
        if name.lower() in ("key", "value") or (primary and type_.upper() == "INTEGER"):
            continue
        cursor.execute(f"SELECT 1 FROM {quoted(table)} WHERE {quoted(name)} IS NOT NULL LIMIT 1")
        if cursor.fetchone():
            full.append(name)
    if full:
        return (
            f"has a {table!r} with more than just the columns key and value: what is in"
            f" {', '.join(full)} would be lost. Drop these columns if nobody needs them"
        )
    return ""


def _hangs_on_it(cursor: CursorWrapper, table: str) -> str:
    cursor.execute("SELECT 1 FROM pragma_foreign_key_list(%s, 'main')", [table])
    if cursor.fetchone():
        return f"has a {table!r} with a foreign key: make it without"
    cursor.execute("SELECT type, name, tbl_name, coalesce(sql, '') FROM main.sqlite_master")
    mentions = re.compile(rf"\b{re.escape(table)}\b", re.IGNORECASE).search
    for type_, name, of_table, sql in cursor.fetchall():
        is_its_own = of_table.lower() == table.lower()
        if type_ in ("view", "trigger") and (is_its_own or mentions(sql)):
            return f"has a {type_} {name!r} on {table!r}: drop it, and make it again afterwards"
        if type_ == "index" and name.lower() == f"{table}_key_index".lower() and not is_its_own:
            return f"has an index {name} of the table {of_table!r}: rename it"
        if type_ == "table" and not is_its_own:
            cursor.execute("SELECT \"table\" FROM pragma_foreign_key_list(%s, 'main')", [name])
            if any(target.lower() == table.lower() for (target,) in cursor.fetchall()):
                return f"has a table {name!r} that refers to {table!r}: make it without"
    return ""


def _key_twice(cursor: CursorWrapper, table: str) -> str:
    cursor.execute(
        f"SELECT CAST(key AS text) FROM {quoted(table)}"
        " GROUP BY CAST(key AS text) COLLATE BINARY HAVING count(*) > 1 LIMIT 1"
    )
    if found := cursor.fetchone():
        return (
            f"has the key {found[0]!r} in more than one row of {table!r}: nobody but you knows"
            " which of them count. Leave one row for each key"
        )
    return ""
