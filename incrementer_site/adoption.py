"""Adopting the `numbers.db` of the Elixir service that this one replaces.

`migrate` finds its table `numbers` where the counters' own is to be. In two steps, each a
transaction:

1. Before the migrations, the old table gets another name. A copy of the file is made first.
2. After them, its rows are copied into the new table, and it is dropped.

What keeps the second step from its end is a reason to refuse the first. Should it not come, because
the process was killed, the next `migrate` makes it; until then, `check` refuses the database.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import CommandError
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from counters.config import config, table_names
from counters.dialects import dialect_of
from counters.dialects.sqlite_reader import open_to_read
from counters.dialects.sqlite_tables import affinity
from incrementer_site.adoptable import adoption_problem, content_problem, has_table, key_type
from incrementer_site.adoptable_rows import quoted

logger = logging.getLogger(__name__)

ASIDE = "numbers_to_adopt"

_COPIED_ROWS = 1000


def put_aside(*, using: str, plan: list[tuple[Any, bool]], **kwargs: Any) -> None:
    """Rename the old table, where there is one. The file as it was is kept beside it.

    Raises:
        CommandError: no totals can be adopted from the table of that name; nothing is changed.
    """
    connection = connections[using]
    beginning = {
        migration.app_label
        for migration, backwards in plan
        if migration.name.startswith("0001_") and not backwards
    }
    is_ours = connection.vendor == "sqlite" and using == config().database
    if not is_ours or "counters" not in beginning:
        return
    table, _ = table_names()
    with connection.cursor() as cursor:
        if not has_table(cursor, table):
            return
    copy = None
    try:
        # All in one transaction, which keeps other writers out: the old service may run still.
        with transaction.atomic(using=using), connection.cursor() as cursor:
            if problem := adoption_problem(connection, cursor, ASIDE, _tables_of(beginning)):
                raise _refusal(connection, problem)
            type_ = key_type(cursor, table)
            copy = _keep_copy(connection)
            _rename(cursor, table)
    except BaseException:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise
    logger.info("%s as it was is kept in %s.", connection.settings_dict["NAME"], copy)
    if affinity(type_) not in ("TEXT", "BLOB"):
        logger.warning(
            "Its keys are declared %s: SQLite has kept those that look like numbers as numbers,"
            " '007' as 7. They are taken as they stand in it.",
            type_,
        )


def _tables_of(labels: set[str]) -> list[str]:
    """Return the tables of apps, without the one that is to be adopted."""
    models = apps.get_models(include_auto_created=True)
    tables = [model._meta.db_table for model in models if model._meta.app_label in labels]
    return [table for table in tables if table != table_names()[0]]


def _refusal(connection: BaseDatabaseWrapper, problem: str) -> CommandError:
    return CommandError(
        f"{connection.settings_dict['NAME']} {problem}. No totals can be adopted: mend it,"
        " or set DATABASE_URL to another file."
    )


def _rename(cursor: CursorWrapper, table: str) -> None:
    # An index keeps its name when its table gets another, and the new table's has the same.
    cursor.execute(
        "SELECT name FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        " AND lower(tbl_name) = lower(%s)",
        [table],
    )
    for (name,) in cursor.fetchall():
        cursor.execute(f"DROP INDEX {quoted(name)}")
    cursor.execute(f"ALTER TABLE {quoted(table)} RENAME TO {quoted(ASIDE)}")


def _keep_copy(connection: BaseDatabaseWrapper) -> Path:
    """Copy the database to a file beside it, and return that.

    Raises:
        CommandError: there is no room for it, for example.
    """
    name = connection.settings_dict["NAME"]
    copy = Path(f"{name}.before-migrate-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
    try:
        copy.touch(mode=0o600)
        # The connection that writes cannot be copied from.
        with closing(open_to_read(name)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # so that it is one file
    except (sqlite3.Error, OSError) as error:
        copy.unlink(missing_ok=True)
        raise CommandError(
            f"{name} cannot be copied to {copy}: {error}. Nothing is changed: make room, or have"
            " the folder writable for this user."
        ) from error
    return copy


def is_half_adopted(connection: BaseDatabaseWrapper) -> bool:
    """Whether an old table waits for a `migrate` that adopts it to the end."""
    with connection.cursor() as cursor:
        return connection.vendor == "sqlite" and has_table(cursor, ASIDE)


def take_over(*, using: str, **kwargs: Any) -> None:
    """Add the rows of the old table to the totals, and drop the table.

    They are added: the service may have counted already, where the first `migrate` was killed.

    Raises:
        CommandError: a row of it cannot be added; nothing is changed.
    """
    connection = connections[using]
    if using != config().database or not is_half_adopted(connection):
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if problem := content_problem(connection, cursor, ASIDE):
            raise _refusal(connection, problem)
        dialect_of(connection).add(cursor, _rows(connection))
        cursor.execute(f"DROP TABLE {quoted(ASIDE)}")
    logger.info("The totals of the old table in %s are adopted.", connection.settings_dict["NAME"])


def _rows(connection: BaseDatabaseWrapper) -> Iterator[dict[str, int]]:
    """Yield the totals of the old table, some at a time."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT CAST(key AS text), coalesce(CAST(value AS integer), 0) FROM {quoted(ASIDE)}"
        )
        while rows := cursor.fetchmany(_COPIED_ROWS):
            yield dict(rows)
