"""System checks: a bad setting stops the start with a sentence that says how to mend it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from counters.config import BadSetting, config
from counters.journal import make_folder


@register()
def check_config(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a setting that `counters.config` refuses or a folder it cannot use."""
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
    return []


@register()
def check_environment(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a variable that the server could not start with."""
    errors: list[CheckMessage] = []
    port, workers = os.environ.get("PORT") or "3333", os.environ.get("WEB_CONCURRENCY", "1")
    for name, text, most in (("PORT", port, 65535), ("WEB_CONCURRENCY", workers, 1024)):
        if not text.isdecimal() or not 1 <= int(text) <= most:
            hint = f"Set it to a whole number from 1 to {most}, or leave it out."
            errors.append(Error(f"{name} is {text!r}.", hint=hint, id="counters.E003"))
    return errors


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for an SQLite database that is a folder, or in none."""
    database = settings.DATABASES["default"]
    path = Path(database["NAME"])
    is_postgresql = database["ENGINE"] != "django.db.backends.sqlite3"
    if is_postgresql or (path.parent.is_dir() and not path.is_dir()):
        return []
    problem = f"DATABASE_URL names {str(path)!r}, which cannot be a file."
    hint = "Set it to a file in a folder that exists: sqlite:////path/file.db."
    return [Error(problem, hint=hint, id="counters.E004")]


def _journal_dir(problem: str) -> Error:
    return Error(
        f"JOURNAL_DIR {str(config().journal_dir)!r} {problem}.",
        hint="Set JOURNAL_DIR to a folder that the service's user may write to.",
        id="counters.E002",
    )
