"""Positions stay when their journals go; so a journal that comes back does not count again."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from counters.config import config, table_names

_, POSITIONS_TABLE = table_names()


def add_columns(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.alias == config().database:
        table = schema_editor.quote_name(POSITIONS_TABLE)
        for column in "retired boolean NOT NULL DEFAULT false", "seen_on date NULL":
            schema_editor.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
        schema_editor.execute(f"UPDATE {table} SET seen_on = CURRENT_DATE")


def drop_columns(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.alias == config().database:
        table = schema_editor.quote_name(POSITIONS_TABLE)
        schema_editor.execute(f"DELETE FROM {table} WHERE retired")  # as the version before did
        for column in "retired", "seen_on":
            schema_editor.execute(f"ALTER TABLE {table} DROP COLUMN {column}")


class Migration(migrations.Migration):
    dependencies = [("counters", "0001_initial")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add_columns, drop_columns)],
            state_operations=[
                migrations.AddField(
                    "position", "retired", models.BooleanField(db_default=False, default=False)
                ),
                migrations.AddField("position", "seen_on", models.DateField(null=True)),
            ],
        ),
    ]
