"""The tables of totals and positions, in the database and with the names that COUNTERS gives."""

from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import counters.models
from counters.config import config, identity_table_name, request_ids_table_name, table_names

TABLE, POSITIONS_TABLE = table_names()


def make_tables(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.alias != config().database:
        return
    existing = connection.introspection.table_names(include_views=True)
    if connection.vendor == "sqlite":  # which takes Numbers for numbers
        existing = [name.lower() for name in existing]
    for table in TABLE, POSITIONS_TABLE, identity_table_name(), request_ids_table_name():
        if (table.lower() if connection.vendor == "sqlite" else table) in existing:
            raise CommandError(
                f"The database has a table {table!r} already, which is not the counters'. Rename"
                " it, or set TABLE, POSITIONS_TABLE and REQUEST_IDS_TABLE in COUNTERS to names that"
                " are free."
            )
    quote = schema_editor.quote_name
    integer = "integer" if connection.vendor == "sqlite" else "bigint"
    schema_editor.execute(
        f"CREATE TABLE {quote(TABLE)} (key text NOT NULL, value {integer} NOT NULL DEFAULT 0)"
    )
    schema_editor.execute(
        f"CREATE UNIQUE INDEX {quote(f'{TABLE}_key_index')} ON {quote(TABLE)} (key)"
    )
    schema_editor.execute(
        f"CREATE TABLE {quote(POSITIONS_TABLE)}"
        " (journal varchar(32) NOT NULL PRIMARY KEY, position bigint NOT NULL)"
    )


def drop_tables(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.alias == config().database:
        for table in TABLE, POSITIONS_TABLE:
            schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(table)}")


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make_tables, drop_tables)],
            state_operations=[
                migrations.CreateModel(
                    name="Number",
                    fields=[
                        (
                            "key",
                            models.CharField(max_length=255, primary_key=True, serialize=False),
                        ),
                        (
                            "value",
                            models.BigIntegerField(db_default=0, default=0, verbose_name="total"),
                        ),
                    ],
                    options={"verbose_name": "total", "db_table": TABLE, "ordering": ["key"]},
                ),
                migrations.CreateModel(
                    name="Position",
                    fields=[
                        (
                            "journal",
                            models.CharField(max_length=32, primary_key=True, serialize=False),
                        ),
                        ("position", models.BigIntegerField(default=0)),
                    ],
                    options={"db_table": POSITIONS_TABLE},
                ),
            ],
        ),
    ]
