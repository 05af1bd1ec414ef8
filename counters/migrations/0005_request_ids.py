"""The ids of requests that were counted: 16 bytes each, and as little else as can be.

On SQLite the table is its own index. On PostgreSQL a UUID takes 8 bytes less than 16 bytes do that
may be more, in the row and in the index.
"""

from django.core.management.base import CommandError
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import counters.models
from counters.config import config, request_ids_table_name

TABLE = request_ids_table_name()


def make_table(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.alias != config().database:
        return
    existing = connection.introspection.table_names(include_views=True)
    is_sqlite = connection.vendor == "sqlite"  # which takes Numbers for numbers
    if TABLE in existing or is_sqlite and TABLE.lower() in map(str.lower, existing):
        raise CommandError(
            f"The database has a table {TABLE!r} already, which is not the counters'. Rename it, or"
            " set REQUEST_IDS_TABLE in COUNTERS to a name that is free."
        )
    schema_editor.execute(
        f"CREATE TABLE {schema_editor.quote_name(TABLE)} ("
        f"id {'blob' if is_sqlite else 'uuid'} NOT NULL PRIMARY KEY,"
        f" fingerprint integer NOT NULL, seen integer NOT NULL)"
        f"{' WITHOUT ROWID' if is_sqlite else ''}"
    )


def drop_table(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.alias == config().database:
        schema_editor.execute(f"DROP TABLE {schema_editor.quote_name(TABLE)}")


class Migration(migrations.Migration):
    dependencies = [("counters", "0004_keys_in_code_point_order")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make_table, drop_table)],
            state_operations=[
                migrations.CreateModel(
                    name="RequestId",
                    fields=[
                        (
                            "id",
                            counters.models.DigestField(primary_key=True, serialize=False),
                        ),
                        ("fingerprint", models.IntegerField()),
                        ("seen", models.IntegerField()),
                    ],
                    options={"db_table": TABLE},
                ),
            ],
        ),
    ]
