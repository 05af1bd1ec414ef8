"""Go: a map and a mutex in memory, behind its own HTTP server and behind fasthttp."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.contestants.programs import FASTHTTP, GOPATH
from benchmarks.contestants.server import WORKERS, Contestant, Server, Start
from benchmarks.paths import RIVALS
from tests.testbed.commands import run
from tests.testbed.ports import free_port


def _go(source: str) -> Start:
    def start(folder: Path) -> Server:
        program = folder / "counter"
        # GO111MODULE=off: a library is what the system has installed, and nothing is downloaded.
        build = {
            "GO111MODULE": "off",
            "GOPATH": str(GOPATH),
            "GOCACHE": str(Path(tempfile.gettempdir()) / "incrementer-bench-go"),
        }
        run(["go", "build", "-o", str(program), str(RIVALS / source)], {**os.environ, **build})
        port = free_port()
        return Server(folder, port, program, str(port), variables={"GOMAXPROCS": str(WORKERS)})

    return start


GO = Contestant("Go net/http, map and mutex in memory", _go("net_http.go"), ("go",))
GO_FASTHTTP = Contestant(
    "Go fasthttp, map and mutex in memory", _go("fasthttp.go"), ("go", FASTHTTP)
)
