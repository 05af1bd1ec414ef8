"""Adopting the `numbers.db` of the Elixir service that this one replaces.

`migrate` finds its table `numbers` where the counters' own is to be. In two steps, each a
transaction:

1. Before the migrations, the old table gets another name.
2. After them, its rows are copied into the new table, and it is dropped.

Should the second step not come, because the process was killed, the next `migrate` makes it.
"""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError
from django.db import connections, transaction

from counters.config import config, table_names

ASIDE = "numbers_to_adopt"


def put_aside(*, using: str, plan: list[tuple[Any, bool]], **kwargs: Any) -> None:
    """Rename the old table, where there is one.

    Raises:
        CommandError: a table has that name and is not the old service's.
    """
    table, _ = table_names()
    connection = connections[using]
    is_first = any(
        migration.app_label == "counters" and migration.name == "0001_initial" and not backwards
        for migration, backwards in plan
    )
    if not is_first or connection.vendor != "sqlite" or using != config().database:
        return
    quote = connection.ops.quote_name
    with transaction.atomic(using=using), connection.cursor() as cursor:
        known = connection.introspection.get_table_list(cursor)
        tables = {info.name: info.type for info in known}
        if table not in tables:
            return
        columns = {
            column.name for column in connection.introspection.get_table_description(cursor, table)
        }
        if tables[table] != "t" or columns != {"key", "value"}:
            raise CommandError(
                f"{connection.settings_dict['NAME']} has a {table!r} that is not a table with just"
                " the columns key and value: no totals can be adopted from it. Rename it, or set"
                " DATABASE_URL to another file."
            )
        cursor.execute(
            f"SELECT key FROM {quote(table)} WHERE key IS NOT NULL"
            " GROUP BY CAST(key AS text) HAVING count(*) > 1 LIMIT 1"
        )
        if twice := cursor.fetchone():
            raise CommandError(
                f"{connection.settings_dict['NAME']} has the key {twice[0]!r} in more than one row"
                f" of {table!r}: its total is not known. Leave one row for each key, and try again."
            )
        # An index keeps its name when its table gets another, and the new table's has the same.
        for name, index in connection.introspection.get_constraints(cursor, table).items():
            if index["index"] and not name.startswith("sqlite_autoindex_"):
                cursor.execute(f"DROP INDEX {quote(name)}")
        cursor.execute(f"ALTER TABLE {quote(table)} RENAME TO {quote(ASIDE)}")


def take_over(*, using: str, **kwargs: Any) -> None:
    """Copy the rows of the old table into the new one, and drop the old one."""
    table, _ = table_names()
    connection = connections[using]
    if using != config().database or ASIDE not in connection.introspection.table_names():
        return
    quote = connection.ops.quote_name
    with transaction.atomic(using=using), connection.cursor() as cursor:
        # The old service put values into its SQL as they came: a row may hold NULL, 1.5 or text.
        cursor.execute(
            f"INSERT INTO {quote(table)} (key, value) SELECT CAST(key AS text),"
            f" coalesce(CAST(value AS integer), 0) FROM {quote(ASIDE)} WHERE key IS NOT NULL"
        )
        cursor.execute(f"DROP TABLE {quote(ASIDE)}")
