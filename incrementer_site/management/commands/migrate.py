from __future__ import annotations

from typing import Any

from django.core import checks
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    """Django's `migrate`, which alone makes a database file, and needs a database that answers."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        connections[options["database"]].may_make_file = True  # type: ignore[attr-defined]
        return super().execute(*args, **options)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Connect before the database is checked.

        For the service, a database that is away is only a warning. Here it is an error.

        Raises:
            django.db.Error: it does not answer.
        """
        if not any(message.is_serious() for message in checks.run_checks()):
            connections[options["database"]].ensure_connection()
        return super().get_check_kwargs(options)
