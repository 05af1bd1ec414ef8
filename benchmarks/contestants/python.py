"""Other Python under gunicorn: the least that ASGI can do, and Django as one would write it."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Mapping

from benchmarks.contestants.server import WORKERS, Contestant, Server, Start


def _gunicorn(
    server: Server, app: str, *arguments: str, sockets: int = 1, env: Mapping[str, str] = {}
) -> None:
    server.run(
        *(sys.executable, "-m", "gunicorn", app, "--config", os.devnull),
        *("--bind", f"127.0.0.1:{server.port}", "--workers", str(WORKERS)),
        *("--backlog", "2048", "--keep-alive", "75", *arguments),
        sockets=sockets,
        env=env,
    )


def _hello(server: Server) -> None:
    _gunicorn(
        server,
        "benchmarks.rivals.hello:app",
        *("--worker-class", "uvicorn_worker.UvicornWorker", "--reuse-port"),
        sockets=WORKERS,
    )


def _naive(**env: str) -> Start:
    def start(server: Server) -> None:
        path = server.folder / "naive.db"
        database = sqlite3.connect(path)
        database.execute("CREATE TABLE numbers (key text PRIMARY KEY, value integer NOT NULL)")
        database.close()
        _gunicorn(
            server,
            "django.core.wsgi:get_wsgi_application()",
            *("--worker-class", "gthread", "--threads", "4"),
            env={
                "DJANGO_SETTINGS_MODULE": "benchmarks.rivals.naive.settings",
                "NAIVE_DATABASE": str(path),
                **env,
            },
        )

    return start


HELLO = Contestant("ASGI hello app, gunicorn + uvicorn-worker", _hello)
NAIVE = Contestant("Django as one would write it first", _naive())
NAIVE_WAL = Contestant(
    "Django as one would write it first, with WAL",
    _naive(NAIVE_INIT_COMMAND="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"),
)
