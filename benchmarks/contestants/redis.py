"""Redis with its append-only file, by itself and over HTTP through webdis."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from tests.testbed.ports import free_port


def redis(folder: Path, appendfsync: str) -> Server:
    """Return a Redis, not started yet, with its files in `folder`."""
    port = free_port()
    return Server(
        folder,
        port,
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--appendonly", "yes", "--appendfsync", appendfsync, "--dir", folder),
    )


def _webdis(appendfsync: str) -> Start:
    @contextmanager
    def start(folder: Path) -> Iterator[Server]:
        port = free_port()
        configuration = folder / "webdis.json"
        with redis(folder, appendfsync) as behind:
            configuration.write_text(
                json.dumps(
                    {
                        "redis_host": "127.0.0.1",
                        "redis_port": behind.port,
                        "http_host": "127.0.0.1",
                        "http_port": port,
                        "threads": WORKERS,
                        "daemonize": False,
                        "database": 0,
                        "verbosity": 0,
                        "logfile": str(folder / "webdis.log"),
                    }
                )
            )
            with Server(folder, port, "webdis", configuration) as server:
                yield server

    return start


REDIS = Contestant(
    "Redis (everysec) behind webdis", _webdis("everysec"), ("redis-server", "webdis"), "webdis"
)
REDIS_ALWAYS = Contestant(
    "Redis (always) behind webdis", _webdis("always"), ("redis-server", "webdis"), "webdis"
)
