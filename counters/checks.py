"""System checks: what cannot work stops the start with a sentence that says how to mend it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import Error as DatabaseError

from counters import totals
from counters.config import BadSetting, config
from counters.dialects import dialect_of
from counters.failures import told
from counters.file_system import MEMORY_KINDS, NETWORK_KINDS, kind_of
from counters.files import make_folder
from counters.users import user_name


@register()
def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a setting that `config` refuses, or a folder that cannot be used."""
    try:
        folder = config().journal_dir
    except BadSetting as error:
        return [Error(error.message, hint=error.hint, id="counters.E001")]
    try:
        make_folder(folder)
    except OSError as error:
        return [_journal_dir(f"cannot be made by the user {user_name()}: {error.strerror}")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [_journal_dir(f"may not be read and written by the user {user_name()}")]
    if (kind := kind_of(folder)) in NETWORK_KINDS:
        return [_journal_dir(f"is on a network file system ({kind}), where locks may not hold")]
    if kind in MEMORY_KINDS and config().journal_fsync != "never":
        return [
            checks.Warning(
                f"JOURNAL_DIR {str(folder)!r} is in memory ({kind}): a power cut takes all that is"
                f" not flushed, whatever JOURNAL_FSYNC={config().journal_fsync} promises.",
                hint="Set JOURNAL_DIR to a folder on a disk, or JOURNAL_FSYNC=never.",
                id="counters.W002",
            )
        ]
    return []


def _journal_dir(problem: str) -> Error:
    return Error(
        f"JOURNAL_DIR {str(config().journal_dir)!r} {problem}.",
        hint="Set JOURNAL_DIR to a folder that the service's user may write to, on a local disk, or"
        f" give it to that user: chown -R {user_name()}.",
        id="counters.E002",
    )


@register(Tags.database)
def check_database(databases: Sequence[str] | None = None, **kwargs: Any) -> list[CheckMessage]:
    """Ask the database whether the promises can stand on it.

    Django does this with `migrate` and with `check --database ALIAS`. A database that is away is
    no reason to refuse increments: then nothing is checked, and a warning says so.
    """
    try:
        alias = config().database
    except BadSetting:
        return []  # `check_settings` tells
    if alias not in (databases or ()):
        return []
    connection = totals.connection()
    try:
        return dialect_of(connection).check()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="counters.E010")]
    except DatabaseError as error:
        return [
            checks.Warning(
                f"{told(error, connection)} It cannot be asked whether it suits.",
                hint="Increments are accepted, and flushed once that is mended.",
                id="counters.W010",
            )
        ]
    finally:
        connection.close()
