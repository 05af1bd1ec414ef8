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
from counters.file_system import NETWORK_KINDS, kind_of
from counters.files import make_folder


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
        return [_journal_dir(f"cannot be made: {error.strerror}")]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [_journal_dir("is not readable and writable")]
    if (kind := kind_of(folder)) in NETWORK_KINDS:
        return [_journal_dir(f"is on a network file system ({kind}), where locks may not hold")]
    return []


def _journal_dir(problem: str) -> Error:
    return Error(
        f"JOURNAL_DIR {str(config().journal_dir)!r} {problem}.",
        hint="Set JOURNAL_DIR to a folder that the service's user may write to, on a local disk.",
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
