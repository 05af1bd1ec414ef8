"""Go: a map and a mutex in memory, behind its own HTTP server and behind fasthttp."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.contestants.programs import FASTHTTP, GOPATH
from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from benchmarks.paths import RIVALS


def _go(source: str) -> Start:
    def start(server: Server) -> None:
        program = server.folder / "counter"
        # GO111MODULE=off: a library is what the system has installed, and nothing is downloaded.
        build = {
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(Path(tempfile.gettempdir()) / "incrementer-bench-go"),
        }
        server.prepare("go", "build", "-o", program, RIVALS / source, env=build)
        server.run(program, str(server.port), env={"GOMAXPROCS": str(WORKERS)})

    return start


GO = Contestant("Go net/http, map and mutex in memory", _go("net_http.go"), ("go",))
GO_FASTHTTP = Contestant(
    "Go fasthttp, map and mutex in memory", _go("fasthttp.go"), ("go", FASTHTTP)
)
