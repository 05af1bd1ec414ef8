"""Adopting the `numbers.db` of the Elixir service that this one replaces.

`migrate` finds its table `numbers` where the counters' own is to be. In two steps, each a
transaction:

1. Before the migrations, the old table gets another name. A copy of the file is made first.
2. After them, its rows are copied into the new table, and it is dropped.

Should the second step not come, because the process was killed, the next `migrate` makes it.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.config import config, table_names
from counters.dialects import dialect_of
from counters.dialects.sqlite_tables import affinity
from incrementer_site.adoptable import adoption_problem, has_table, key_type

logger = logging.getLogger(__name__)

ASIDE = "numbers_to_adopt"

_COPIED_ROWS = 1000


def put_aside(*, using: str, plan: list[tuple[Any, bool]], **kwargs: Any) -> None:
    """Rename the old table, where there is one. The file as it was is kept beside it.

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
    with connection.cursor() as cursor:
        if not has_table(cursor, table):
            return
        _refuse(connection, cursor)
        _keep_copy(connection, key_type(cursor, table))
    with transaction.atomic(using=using), connection.cursor() as cursor:
        _refuse(connection, cursor)  # the old service may run still
        # An index keeps its name when its table gets another, and the new table's has the same.
        for name, index in connection.introspection.get_constraints(cursor, table).items():
            if index["index"] and not name.startswith("sqlite_autoindex_"):
                cursor.execute(f"DROP INDEX {quote(name)}")
        cursor.execute(f"ALTER TABLE {quote(table)} RENAME TO {quote(ASIDE)}")


def _refuse(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> None:
    if problem := adoption_problem(cursor, ASIDE):
        raise CommandError(
            f"{connection.settings_dict['NAME']} {problem}. No totals can be adopted: mend it,"
            " or set DATABASE_URL to another file."
        )


def _keep_copy(connection: BaseDatabaseWrapper, key_type: str) -> None:
    """Copy the database to a file beside it, which the log names.

    Raises:
        CommandError: there is no room for it, for example.
    """
    name = connection.settings_dict["NAME"]
    copy = Path(f"{name}.before-migrate-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        copy.touch(mode=0o600)
        with closing(sqlite3.connect(copy)) as target:
            connection.connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
    except (sqlite3.Error, OSError) as error:
        copy.unlink(missing_ok=True)
        raise CommandError(
            f"{name} cannot be copied to {copy}: {error}. Nothing is changed: make room, or have"
            " the folder writable for this user."
        ) from error
    logger.info("The totals in %s are adopted. The file as it was is kept in %s.", name, copy)
    if affinity(key_type) not in ("TEXT", "BLOB"):
        logger.warning(
            "Its keys are declared %s: SQLite has kept those that look like numbers as numbers,"
            " '007' as 7. They are adopted as they stand in it.",
            key_type,
        )


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
