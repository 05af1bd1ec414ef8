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
    for name, default, most in (("PORT", "3333", 65535), ("WEB_CONCURRENCY", "1", 1024)):
        text = os.environ.get(name) or default
        if not text.isdecimal() or not 1 <= int(text) <= most:
            hint = f"Set it to a whole number from 1 to {most}, or leave it out."
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
