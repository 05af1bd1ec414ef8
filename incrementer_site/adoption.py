"""Adopting the `numbers.db` of the Elixir service that this one replaces.

`migrate` finds its table `numbers` where the counters' own is to be. In two steps, each a
transaction:

1. Before the migrations, the old table gets another name.
2. After them, its rows are copied into the new table, and it is dropped.

Should the second step not come, because the process was killed, the next `migrate` makes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.config import config, table_names
from counters.dialects import dialect_of

ASIDE = "numbers_to_adopt"

_COPIED_ROWS = 1000


def put_aside(*, using: str, plan: list[tuple[Any, bool]], **kwargs: Any) -> None:
    """Rename the old table, where there is one.

    Raises:
        CommandError: no totals can be adopted from the table of that name; nothing is changed.
    """
    connection = connections[using]
    is_first = any(
        migration.app_label == "counters" and migration.name == "0001_initial" and not backwards
        for migration, backwards in plan
    )
    if not is_first or connection.vendor != "sqlite" or using != config().database:
        return
    table, _ = table_names()
    quote = connection.ops.quote_name
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if table not in connection.introspection.table_names(cursor, include_views=True):
            return
        if problem := _problem(connection, cursor):
            raise CommandError(
                f"{connection.settings_dict['NAME']} {problem}. No totals can be adopted: mend it,"
                " or set DATABASE_URL to another file."
            )
        # An index keeps its name when its table gets another, and the new table's has the same.
        for name, index in connection.introspection.get_constraints(cursor, table).items():
            if index["index"] and not name.startswith("sqlite_autoindex_"):
                cursor.execute(f"DROP INDEX {quote(name)}")
        cursor.execute(f"ALTER TABLE {quote(table)} RENAME TO {quote(ASIDE)}")


def _problem(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> str:
    """Return what is wrong with the table for the totals in it to be adopted; empty if nothing."""
    table, positions = table_names()
    quote = connection.ops.quote_name
    introspection = connection.introspection
    tables = {info.name: info.type for info in introspection.get_table_list(cursor)}
    columns = {column.name for column in introspection.get_table_description(cursor, table)}
    if tables[table] != "t" or columns != {"key", "value"}:
        return f"has a {table!r} that is not a table with just the columns key and value"
    if ASIDE in tables:
        return f"has a table {table!r}, and a table {ASIDE!r} that waits to be adopted"
    if positions in tables:
        return f"has a table {positions!r} already"
    cursor.execute(
        "SELECT tbl_name FROM sqlite_master WHERE type = 'index' AND name = %s AND tbl_name <> %s",
        [f"{table}_key_index", table],
    )
    if found := cursor.fetchone():
        return f"has an index {table}_key_index of the table {found[0]!r}"
    for other in tables:
        relations = introspection.get_relations(cursor, other)
        if other != table and any(target == table for _, target, *_ in relations.values()):
            return f"has a table {other!r} that refers to {table!r}"
    cursor.execute(
        f"SELECT key FROM {quote(table)} WHERE key IS NOT NULL"
        " GROUP BY CAST(key AS text) COLLATE BINARY HAVING count(*) > 1 LIMIT 1"
    )
    if found := cursor.fetchone():
        return f"has the key {found[0]!r} in more than one row of {table!r}"
    return ""


def take_over(*, using: str, **kwargs: Any) -> None:
    """Add the rows of the old table to the totals, and drop the table.

    They are added: the service may have counted already, where the first `migrate` was killed.
    """
    connection = connections[using]
    if using != config().database or ASIDE not in connection.introspection.table_names():
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        dialect_of(connection).add(cursor, _rows(connection))
        cursor.execute(f"DROP TABLE {connection.ops.quote_name(ASIDE)}")


def _rows(connection: BaseDatabaseWrapper) -> Iterator[dict[str, int]]:
    """Yield the totals of the old table, some at a time.

    The old service put values into its SQL as they came: a row may hold NULL, 1.5 or text.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CAST(key AS text), coalesce(CAST(value AS integer), 0)"
            f" FROM {connection.ops.quote_name(ASIDE)} WHERE key IS NOT NULL"
        )
        while rows := cursor.fetchmany(_COPIED_ROWS):
            yield dict(rows)
