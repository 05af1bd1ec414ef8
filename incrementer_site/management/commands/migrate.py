from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core import checks
from django.core.management.commands import migrate
from django.db import connections


class Command(migrate.Command):
    """Django's `migrate`, which alone makes a database file, and needs a database that answers.

    On SQLite one runs at a time: the next waits, and finds its work done.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        connection: Any = connections[options["database"]]
        connection.may_make_file = True
        if connection.vendor != "sqlite" or connection.is_in_memory_db():
            return super().execute(*args, **options)
        with self._turn(os.path.dirname(os.path.abspath(connection.settings_dict["NAME"]))):
            return super().execute(*args, **options)

    @contextmanager
    def _turn(self, folder: str) -> Iterator[None]:
        """Keep other `migrate` out of a folder during the block.

        The folder is what is locked: to close the database's own file would drop SQLite's locks.
        """
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # it is not there, or closed to this user: a check tells
            yield
            return
        try:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.stderr.write(f"Another migrate is at work in {folder}; this one waits for it.")
                fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def get_check_kwargs(self, options: dict[str, Any]) -> Any:
        """Connect before the database is checked.

        For the service, a database that is away is only a warning. Here it is an error.

        Raises:
            django.db.Error: it does not answer.
        """
        if not any(message.is_serious() for message in checks.run_checks()):
            connections[options["database"]].ensure_connection()
        return super().get_check_kwargs(options)
