"""System checks of what only this site knows: its environment variables and its database's URL."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import Error as DatabaseError
from django.db import connections

from counters.users import user_name
from incrementer_site.adoption import is_half_adopted
from incrementer_site.environment import BadVariable, port, workers


@register()
def check_environment(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a variable that the server could not start with."""
    errors: list[CheckMessage] = []
    for read in (port, workers):
        try:
            read()
        except BadVariable as error:
            errors.append(Error(error.message, hint=error.hint, id="incrementer_site.E001"))
    return errors


@register()
def check_database_file(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for an SQLite database that is no file, or that this user may not write."""
    path = _database_file()
    if path is None:
        return []
    if not os.path.isdir(path.parent) or os.path.isdir(path):
        problem = f"DATABASE_URL names {str(path)!r}, which cannot be a file."
        hint = "Set it to a file in a folder that exists: sqlite:////path/file.db."
        return [Error(problem, hint=hint, id="incrementer_site.E002")]
    closed = [file for file in _files_of(path) if _is_closed(file)]
    if not os.access(path.parent, os.W_OK | os.X_OK):
        closed.append(path.parent)  # SQLite makes files beside the database
    if not closed:
        return []
    quoted = " ".join(shlex.quote(str(file)) for file in closed)
    return [
        Error(
            f"The user {user_name()} may not write to {quoted}, where the database of DATABASE_URL"
            " is.",
            hint=f"Give it to that user (chown {user_name()} {quoted}), or set DATABASE_URL.",
            id="incrementer_site.E003",
        )
    ]


@register()
def check_file_modes(**kwargs: Any) -> list[CheckMessage]:
    """Return a warning where every user of the machine may read or write the SQLite database.

    What the service makes is private (see the settings). A file that it finds keeps its mode.
    """
    path = _database_file()
    if path is None:
        return []
    open_files = [shlex.quote(str(file)) for file in _files_of(path) if _is_open_to_all(file)]
    if not open_files:
        return []
    return [
        checks.Warning(
            f"Every user of this machine may read {' and '.join(open_files)}: the admin's sessions"
            " and password hashes are in there.",
            hint=f"chmod 600 {' '.join(open_files)}",
            id="incrementer_site.W001",
        )
    ]


@register(Tags.database)
def check_adoption(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Return an error where old totals wait to be adopted: they would be missing."""
    connection: Any = connections["default"]
    if "default" not in (databases or ()) or _database_file() is None or connection.may_make_file:
        return []  # the last is `migrate`, which adopts them
    try:
        is_half = is_half_adopted(connection)
    except DatabaseError:
        return []  # the check of the counters tells
    finally:
        connection.close()
    if not is_half:
        return []
    return [
        Error(
            f"The old totals in {connection.settings_dict['NAME']} are adopted by half only: a"
            " migrate did not come to its end.",
            hint="Run python manage.py migrate, which goes on with it or says what to mend.",
            id="incrementer_site.E004",
        )
    ]


def _database_file() -> Path | None:
    database = settings.DATABASES["default"]
    is_sqlite = database["ENGINE"] == "incrementer_site.sqlite"
    return Path(database["NAME"]) if is_sqlite else None


def _files_of(path: Path) -> list[Path]:
    """Return an SQLite database and what SQLite has laid beside it, as far as it is there."""
    files = [path, *(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm"))]
    return [file for file in files if os.path.lexists(file)]


def _is_closed(file: Path) -> bool:
    """Whether this user may not read and write a file. (SQLite may have removed it just now.)"""
    return not os.access(file, os.R_OK | os.W_OK) and os.path.lexists(file)


def _is_open_to_all(file: Path) -> bool:
    try:
        mode = file.stat().st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IROTH | stat.S_IWOTH))
