"""Redis with its append-only file, by itself and over HTTP through webdis."""

from __future__ import annotations

import json

from benchmarks.contestants.server import WORKERS, Contestant, Server, Start, free_port


def redis(server: Server, appendfsync: str, port: int) -> None:
    server.run(
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--appendonly", "yes", "--appendfsync", appendfsync, "--dir", server.folder),
        port=port,
    )


def _webdis(appendfsync: str) -> Start:
    def start(server: Server) -> None:
        redis_port = free_port()
        redis(server, appendfsync, redis_port)
        configuration = server.folder / "webdis.json"
        configuration.write_text(
            json.dumps(
                {
                    "redis_host": "127.0.0.1",
                    "redis_port": redis_port,
                    "http_host": "127.0.0.1",
                    "http_port": server.port,
                    "threads": WORKERS,
                    "daemonize": False,
                    "database": 0,
                    "verbosity": 0,
                    "logfile": str(server.folder / "webdis.log"),
                }
            )
        )
        server.run("webdis", configuration)

    return start


REDIS = Contestant(
    "Redis (everysec) behind webdis", _webdis("everysec"), ("redis-server", "webdis"), "webdis"
)
REDIS_ALWAYS = Contestant(
    "Redis (always) behind webdis", _webdis("always"), ("redis-server", "webdis"), "webdis"
)
