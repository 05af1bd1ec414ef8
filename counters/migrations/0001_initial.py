"""Table `numbers` as the original system made it, so that its file is adopted with its totals."""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps


def make_or_adopt_numbers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    sqlite = schema_editor.connection.vendor == "sqlite"
    integer = "integer" if sqlite else "bigint"
    schema_editor.execute(
        "CREATE TABLE IF NOT EXISTS numbers"
        f" (key text NOT NULL, value {integer} NOT NULL DEFAULT 0)"
    )
    if sqlite:
        # The original put values into its SQL as they came, so a row may hold NULL, 1.5 or text.
        schema_editor.execute("DELETE FROM numbers WHERE key IS NULL")
        schema_editor.execute(
            "UPDATE numbers SET value = coalesce(CAST(value AS integer), 0)"
            " WHERE typeof(value) <> 'integer'"
        )
    schema_editor.execute("CREATE UNIQUE INDEX IF NOT EXISTS numbers_key_index ON numbers (key)")


def drop_numbers(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute("DROP TABLE numbers")


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(make_or_adopt_numbers, drop_numbers)],
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
                    options={
                        "verbose_name": "total",
                        "db_table": "numbers",
                        "ordering": ["key"],
                    },
                ),
            ],
        ),
        migrations.CreateModel(
            name="Position",
            fields=[
                ("journal", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("position", models.BigIntegerField(default=0)),
            ],
            options={"db_table": "positions"},
        ),
    ]
