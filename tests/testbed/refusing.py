"""A database that refuses some increments, and then takes them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

CHECK = (
    "DROP TABLE numbers; CREATE TABLE numbers"
    " (key TEXT, value INTEGER, CHECK (value < 1000 AND key NOT LIKE 'bad%'));"
    "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"
)
NO_CHECK = (
    "ALTER TABLE numbers RENAME TO old; DROP INDEX numbers_key_index;"
    "CREATE TABLE numbers (key TEXT, value INTEGER);"
    "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"
    "INSERT INTO numbers SELECT * FROM old; DROP TABLE old"
)


def change(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(script)
