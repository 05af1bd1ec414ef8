"""The servers that are measured, and how each is started."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "benchmarks"
WORKERS = 2
"""Worker processes or threads of each contestant."""

INSTALL = {
    "wrk": "wrk",
    "siege": "siege",
    "nginx": "nginx-light",
    "redis-server": "redis-server",
    "redis-benchmark": "redis-tools",
    "webdis": "webdis",
    "go": "golang-go",
}
"""The Debian package of each program."""


def missing(*programs: str) -> list[str]:
    return [program for program in programs if not shutil.which(program)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _listening_sockets(port: int) -> int:
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(f":{port:04X}") and line[3] == "0A" for line in lines)


def _answers(port: int) -> bool:
    """Say whether a request gets an answer, whatever it is. (Redis answers with an error.)"""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return bool(connection.recv(1))
    except OSError:
        return False


class Server:
    """Processes that make up one running contestant; the first one serves HTTP on `port`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(
        self,
        *command: str | Path,
        port: int | None = None,
        sockets: int = 1,
        env: Mapping[str, str] = {},
    ) -> None:
        """Start `command` and wait until it answers on `port` (default: the server's own).

        With SO_REUSEPORT each worker has a listening socket: all `sockets` have to be there, or
        the first worker would get every connection.

        Raises:
            RuntimeError: it ended, or was not there within 60 seconds.
        """
        log = self.folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **env}, stdout=output, stderr=output
            )
        self._processes.append(process)
        port = port or self.port
        deadline = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < deadline:
            if _listening_sockets(port) >= sockets and _answers(port):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{command[0]} did not start: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def workers(self) -> list[int]:
        """The process ids of a gunicorn's workers."""
        master = self._processes[0].pid
        return [
            int(pid) for pid in Path(f"/proc/{master}/task/{master}/children").read_text().split()
        ]

    @property
    def processes(self) -> list[int]:
        return [self._processes[0].pid, *self.workers]


@dataclass(frozen=True)
class Contestant:
    name: str
    start: Callable[[Server], None]
    needs: tuple[str, ...] = ()
    """Programs that have to be installed."""
    sends: str = "form"
    """The kind of request, as requests.lua names it."""

    @contextmanager
    def running(self) -> Iterator[Server]:
        """Serve from a new folder on a disk (/tmp may be memory), and clean up."""
        with tempfile.TemporaryDirectory(prefix="incrementer-bench-", dir="/var/tmp") as folder:
            server = Server(Path(folder))
            try:
                self.start(server)
                yield server
            finally:
                server.stop()


def incrementer(database: Path | None = None, **env: str) -> Callable[[Server], None]:
    """Return a start of this project, on `database` where it is given."""

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
        migrate = [sys.executable, "manage.py", "migrate", "-v0"]
        subprocess.run(migrate, cwd=ROOT, env=os.environ | settings, check=True)
        server.run(
            sys.executable, "-m", "gunicorn", sockets=int(settings["WEB_CONCURRENCY"]), env=settings
        )

    return start


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
        "benchmarks.hello:app",
        *("--worker-class", "uvicorn_worker.UvicornWorker", "--reuse-port"),
        sockets=WORKERS,
    )


def _naive(**env: str) -> Callable[[Server], None]:
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
                "DJANGO_SETTINGS_MODULE": "benchmarks.naive.settings",
                "NAIVE_DATABASE": str(path),
                **env,
            },
        )

    return start


def _go(server: Server) -> None:
    program = server.folder / "counter"
    subprocess.run(
        ["go", "build", "-o", program, HERE / "counter.go"],
        env=os.environ | {"GOCACHE": str(Path(tempfile.gettempdir()) / "incrementer-bench-go")},
        check=True,
    )
    server.run(program, str(server.port), env={"GOMAXPROCS": str(WORKERS)})


def _nginx(server: Server) -> None:
    configuration = server.folder / "nginx.conf"
    configuration.write_text(f"""
        daemon off;
        worker_processes {WORKERS};
        pid {server.folder}/pid;
        error_log stderr;
        events {{ worker_connections 4096; }}
        http {{
            access_log off;
            keepalive_requests 1000000000;
            client_body_temp_path {server.folder}/body;
            server {{
                listen 127.0.0.1:{server.port} reuseport backlog=2048;
                location / {{ return 200 '{{"ok":true}}\\n'; }}
            }}
        }}
    """)
    server.run("nginx", "-e", "stderr", "-c", configuration, "-p", server.folder, sockets=WORKERS)


def redis(server: Server, appendfsync: str, port: int) -> None:
    server.run(
        *("redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--appendonly", "yes", "--appendfsync", appendfsync, "--dir", server.folder),
        port=port,
    )


def _webdis(appendfsync: str) -> Callable[[Server], None]:
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


INCREMENTER = Contestant("Incrementer", incrementer())
INCREMENTER_ALWAYS = Contestant(
    "Incrementer, JOURNAL_FSYNC=always", incrementer(JOURNAL_FSYNC="always")
)
HELLO = Contestant("ASGI hello app, gunicorn + uvicorn-worker", _hello)
GO = Contestant("Go net/http, map and mutex in memory", _go, ("go",))
REDIS = Contestant(
    "Redis (everysec) behind webdis", _webdis("everysec"), ("redis-server", "webdis"), "webdis"
)
REDIS_ALWAYS = Contestant(
    "Redis (always) behind webdis", _webdis("always"), ("redis-server", "webdis"), "webdis"
)
NGINX = Contestant("nginx, return 200", _nginx, ("nginx",))
NAIVE = Contestant("Django as one would write it first", _naive())
NAIVE_WAL = Contestant(
    "the same Django, SQLite tuned (WAL)",
    _naive(NAIVE_INIT_COMMAND="PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"),
)

ALL = (INCREMENTER, HELLO, GO, REDIS, NGINX, NAIVE, NAIVE_WAL, INCREMENTER_ALWAYS, REDIS_ALWAYS)


def versions() -> list[str]:
    """Return one line for each program here: its name and version."""
    commands = {
        "wrk": ["wrk", "-v"],
        "nginx": ["nginx", "-v"],
        "Redis": ["redis-server", "--version"],
        "Go": ["go", "version"],
        "siege": ["siege", "--version"],
    }
    found = []
    for name, command in commands.items():
        if shutil.which(command[0]):
            output = subprocess.run(command, capture_output=True, text=True)
            version = re.search(r"\d+\.\d+[.\d]*", output.stdout + output.stderr)
            found.append(f"{name} {version[0] if version else '(unknown)'}")
    return found
