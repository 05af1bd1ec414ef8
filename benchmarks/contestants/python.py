"""Other Python under gunicorn: the least that ASGI can do, and Django as one would write it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from tests.testbed.commands import GUNICORN
from tests.testbed.ports import free_port


def _gunicorn(
    folder: Path, app: str, *options: str, sockets: int = 1, variables: Mapping[str, str] = {}
) -> Server:
    port = free_port()
    return Server(
        folder,
        port,
        *(*GUNICORN, app, "--config", os.devnull),
        *("--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS)),
        *("--backlog", "2048", "--keep-alive", "75", *options),
        sockets=sockets,
        variables=variables,
    )


def _hello(folder: Path) -> Server:
    return _gunicorn(
        folder,
        "benchmarks.rivals.hello:app",
        *("--worker-class", "uvicorn_worker.UvicornWorker", "--reuse-port"),
        sockets=WORKERS,
    )


def _naive(**variables: str) -> Start:
    def start(folder: Path) -> Server:
        path = folder / "naive.db"
        with closing(sqlite3.connect(path)) as database:
            database.execute("CREATE TABLE numbers (key text PRIMARY KEY, value integer NOT NULL)")
        return _gunicorn(
            folder,
            "django.core.wsgi:get_wsgi_application()",
            *("--worker-class", "gthread", "--threads", "4"),
            variables={
                "DJANGO_SETTINGS_MODULE": "benchmarks.rivals.naive.settings",
                "NAIVE_DATABASE": str(path),
                **variables,
            },
        )

    return start


HELLO = Contestant("ASGI hello app, gunicorn + uvicorn-worker", _hello)
NAIVE = Contestant("Django as one would write it first", _naive())
NAIVE_WAL = Contestant(
    "Django as one would write it first, with WAL",
    _naive(NAIVE_INIT_COMMAND="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"),
)
