"""The database that `DATABASE_URL` names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dj_database_url

_SCHEMES = ("sqlite", "postgres", "postgresql")
_SQLITE_OPTIONS = {
    # A writer takes the lock when it begins, so that it waits its turn instead of failing half-way
    # (https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-transaction-behavior).
    "transaction_mode": "IMMEDIATE",
    "timeout": 10,
    # synchronous=FULL and not NORMAL: a journal is removed once its flush has committed, so that
    # commit has to outlive a power cut. It costs one fsync a flush.
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY",
}
_POSTGRESQL_OPTIONS = {
    # Of a connection that leads nowhere the system would tell after hours; meanwhile nothing would
    # be flushed (https://www.postgresql.org/docs/current/libpq-connect.html). In seconds:
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    # In milliseconds:
    "tcp_user_timeout": 30_000,
}


def _is_kept(name: str | None) -> bool:
    return bool(name) and name != ":memory:"  # where each connection would have its own


def database(url: str, folder: Path) -> dict[str, Any]:
    """Return Django's settings for the database at `url`.

    Args:
        folder: where a relative path to an SQLite database begins.

    Raises:
        SystemExit: with a sentence, if it is no URL of SQLite or PostgreSQL.
    """
    try:
        settings: dict[str, Any] = dict(dj_database_url.parse(url))
    except ValueError:
        settings = {}
    if url.partition(":")[0] not in _SCHEMES or not _is_kept(settings.get("NAME")):
        sys.exit(  # without the URL, which may hold a password
            "DATABASE_URL is not the URL of a database that can be used. Set it to"
            " sqlite:////path/file.db or postgres://user:password@host/name."
        )
    options: dict[str, Any] = _POSTGRESQL_OPTIONS
    if url.startswith("sqlite:"):
        options = _SQLITE_OPTIONS
        settings["ENGINE"] = "incrementer_site.sqlite"
        settings["NAME"] = str(folder / settings["NAME"])
        # Otherwise pytest-django, which knows Django's own engine only, would take a file.
        settings["TEST"] = {"NAME": ":memory:"}
    settings["OPTIONS"] = {**options, **settings.get("OPTIONS", {})}
    return settings
