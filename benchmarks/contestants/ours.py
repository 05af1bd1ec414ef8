"""The Incrementer, from this checkout or another."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from benchmarks.paths import ROOT


def incrementer(database: Path | None = None, checkout: Path = ROOT, **env: str) -> Start:
    """Return a start of the Incrementer in `checkout`, on `database` where it is given."""

    def start(server: Server) -> None:
        settings = {
            "DJANGO_SETTINGS_MODULE": "incrementer_site.settings",
            "HOST": "127.0.0.1",
            "PORT": str(server.port),
            "WEB_CONCURRENCY": str(WORKERS),
            "DATABASE_URL": f"sqlite:///{database or server.folder / 'numbers.db'}",
            "JOURNAL_DIR": str(server.folder / "journal"),
            "JOURNAL_FSYNC": "everysec",
            "INCREMENT_TOKEN": "",
        } | env
        migrate = (sys.executable, "manage.py", "migrate", "-v0")
        server.prepare(*migrate, env=settings, cwd=checkout)
        server.run(
            *(sys.executable, "-m", "gunicorn"),
            sockets=int(settings["WEB_CONCURRENCY"]),
            env=settings,
            cwd=checkout,
        )

    return start


INCREMENTER = Contestant("Incrementer", incrementer())
INCREMENTER_ALWAYS = Contestant(
    "Incrementer, JOURNAL_FSYNC=always", incrementer(JOURNAL_FSYNC="always")
)
