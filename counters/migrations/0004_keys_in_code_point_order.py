"""PostgreSQL keeps keys in the order of their code points, as SQLite does.

In the order of a language, what begins with a prefix does not stand together, so no index finds it.
It costs flushes as well: such an order is slower to compare by. Django's state of the model says
nothing of collations, because SQLite has none that is called "C".
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from counters.config import config, table_names

TABLE, _ = table_names()


def order_by_code_point(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _collate(schema_editor, "C")


def order_by_language(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    _collate(schema_editor, "default")


def _collate(schema_editor: BaseDatabaseSchemaEditor, collation: str) -> None:
    connection = schema_editor.connection
    if connection.alias != config().database or connection.vendor != "postgresql":
        return
    quote = schema_editor.quote_name
    schema_editor.execute(
        f"ALTER TABLE {quote(TABLE)} ALTER COLUMN key TYPE text COLLATE {quote(collation)}"
    )


class Migration(migrations.Migration):
    dependencies = [("counters", "0003_identity")]

    operations = [migrations.RunPython(order_by_code_point, order_by_language)]
