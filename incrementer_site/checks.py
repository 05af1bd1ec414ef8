"""System checks of what only this site knows: its environment variables and its database's URL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_environment(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for a variable that the server could not start with."""
    errors: list[CheckMessage] = []
    for name, default, least, most in (
        ("PORT", "3333", 1, 65535),
        ("WEB_CONCURRENCY", "1", 1, 1024),
        # With less, a body of the greatest length would always be refused.
        ("MAX_INCOMING_BYTES", "", 2 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE, 2**40),
    ):
        text = os.environ.get(name) or default
        if text and (not text.isdecimal() or not least <= int(text) <= most):
            hint = f"Set it to a whole number from {least} to {most}, or leave it out."
            errors.append(Error(f"{name} is {text!r}.", hint=hint, id="incrementer_site.E001"))
    return errors


@register()
def check_database_file(**kwargs: Any) -> list[CheckMessage]:
    """Return an error for an SQLite database that is a folder, or in none."""
    database = settings.DATABASES["default"]
    path = Path(database["NAME"])
    is_postgresql = database["ENGINE"] != "django.db.backends.sqlite3"
    if is_postgresql or (path.parent.is_dir() and not path.is_dir()):
        return []
    problem = f"DATABASE_URL names {str(path)!r}, which cannot be a file."
    hint = "Set it to a file in a folder that exists: sqlite:////path/file.db."
    return [Error(problem, hint=hint, id="incrementer_site.E002")]
