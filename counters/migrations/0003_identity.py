"""The set of totals gets an identity, which journals name."""

import uuid

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from counters.config import config, identity_table_name


def make_identity(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    connection = schema_editor.connection
    if connection.alias != config().database:
        return
    identity = apps.get_model("counters", "Identity")
    schema_editor.create_model(identity)
    identity._base_manager.using(connection.alias).create(id=uuid.uuid4())


def drop_identity(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.alias == config().database:
        schema_editor.delete_model(apps.get_model("counters", "Identity"))


class Migration(migrations.Migration):
    dependencies = [("counters", "0002_positions_outlive_journals")]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    name="Identity",
                    fields=[
                        (
                            "id",
                            models.UUIDField(
                                default=uuid.uuid4, primary_key=True, serialize=False
                            ),
                        ),
                    ],
                    options={"db_table": identity_table_name()},
                ),
            ],
        ),
        migrations.RunPython(make_identity, drop_identity),
    ]
