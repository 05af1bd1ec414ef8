"""What a database has said, as one sentence, with what to do about it."""

from __future__ import annotations

from django.db import Error
from django.db.backends.base.base import BaseDatabaseWrapper

_NOT_THERE = "If it is new: python manage.py migrate. Else set DATABASE_URL as the service has it."
_HELD_UP = "Another session may hold a lock on it: pg_stat_activity has that."
_ADVICE = {
    "statement timeout": _HELD_UP,
    "lock timeout": _HELD_UP,
    "is locked": "Another program has locked it: end that program, or try again.",
    "not a database": "Set DATABASE_URL to another file, or move this one away.",
    "malformed": "It is damaged: put a backup in its place.",
    "readonly": "Make it and its folder writable for this user.",
    "permission denied": "Give this user the right to it.",
    "unable to open": "Its folder has to be there, and both have to be writable for this user.",
    "disk is full": "Make room on its disk.",
    "no such file": _NOT_THERE,
    "no such table": _NOT_THERE,
    "does not exist": _NOT_THERE,
    "password": "Mend the user and the password in DATABASE_URL.",
    "connection": "See that it runs, and that DATABASE_URL says where.",
}
"""What to do about a message that has these words. The first that fit count."""


def place(connection: BaseDatabaseWrapper) -> str:
    """Return in words which database that is, without a password."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return str(settings["NAME"])
    host = settings["HOST"] or "this machine"
    return f"{settings['NAME']} at {host}{':' if settings['PORT'] else ''}{settings['PORT']}"


def told(error: Error, connection: BaseDatabaseWrapper) -> str:
    """Return which database has failed, what it said, and what to do, in one line."""
    said = " ".join(str(error).split()).rstrip(".?")
    advice = next((advice for words, advice in _ADVICE.items() if words in said.lower()), "")
    return f"The database {place(connection)}: {said}. {advice}".rstrip()
