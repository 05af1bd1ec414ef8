"""Reading totals over HTTP: how fast, and what it costs the increments beside it.

python -m benchmarks.reads
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks.contestants.ours import incrementer
from benchmarks.contestants.python import NAIVE_WAL
from benchmarks.contestants.redis import REDIS
from benchmarks.contestants.server import Contestant, Server
from benchmarks.load import Run, wrk
from benchmarks.paths import new_folder
from tests.testbed.postgresql import new_database, start_postgresql
from tests.testbed.requests import JSON, send_request
from tests.testbed.service import Service

_KEYS = 1000
_BATCH = json.dumps([{"key": f"k{i}", "value": i + 1} for i in range(_KEYS)])
_READERS, _FRESH_READERS = 50, 200
"""Connections; those of steady.lua make 20 requests a second each."""

Running = Server | Service


@contextmanager
def _on_postgresql(folder: Path) -> Iterator[Service]:
    with (
        start_postgresql(folder / "postgresql") as postgresql,
        incrementer(DATABASE_URL=new_database(postgresql))(folder) as service,
    ):
        yield service


OURS = Contestant("Incrementer, SQLite", incrementer(), request_kind="total")
OURS_ON_POSTGRESQL = Contestant("Incrementer, PostgreSQL", _on_postgresql, request_kind="total")
WEBDIS = Contestant("Redis `GET` behind webdis", REDIS.start, REDIS.needs, "webdis total")
VIEW = Contestant("a Django view, gunicorn with threads", NAIVE_WAL.start, request_kind="total")


def _fill(server: Running, kind: str) -> None:
    """Give each key that is asked for a total."""
    if isinstance(server, Service):
        server.post(_BATCH, JSON)
        server.manage("flushnumbers")
    elif kind == "webdis total":
        for i in range(_KEYS):
            send_request(server.port, "GET", f"/INCRBY/k{i}/{i + 1}")
    else:
        for i in range(_KEYS):
            send_request(server.port, "POST", "/increment", f"key=k{i}&value={i + 1}".encode())


def reads(seconds: float, rounds: int) -> list[str]:
    """Return, as Markdown, how fast each contestant tells totals over 64 connections."""
    contestants = (OURS, OURS_ON_POSTGRESQL, WEBDIS, VIEW)
    runs: dict[str, list[Run]] = {each.name: [] for each in contestants}
    for each in tqdm([*contestants] * rounds, unit="run"):
        with each.running() as server:
            _fill(server, each.request_kind)
            wrk(server.port, 1, each.request_kind)
            runs[each.name].append(wrk(server.port, seconds, each.request_kind))
    lines = ["| totals told by | requests/s, 64 connections | p99, ms | ratio |"]
    lines.append("|---|---:|---:|---:|")
    first = median(run.requests_per_second for run in runs[OURS.name])
    for name, found in runs.items():
        rate = median(run.requests_per_second for run in found)
        p99_ms = median(run.p99_ms for run in found)
        lines.append(f"| {name} | {rate:,.0f} | {p99_ms:.1f} | {first / rate:.2f} |")
    return lines


def beside_increments(seconds: float, rounds: int) -> list[str]:
    """Return, as Markdown, what increments at full speed lose to reads beside them."""
    loads: dict[str, Callable[[int], Run] | None] = {
        "nothing": None,
        "1,000 reads/s": lambda port: wrk(
            port, seconds + 2, connections=_READERS, script="steady.lua"
        ),
        "200 clients that ask for fresh totals": lambda port: wrk(
            port, seconds + 2, "fresh total", _FRESH_READERS
        ),
    }
    rates: dict[str, list[float]] = {name: [] for name in loads}
    others: dict[str, list[Run]] = {name: [] for name in loads}
    for name in tqdm([*loads] * rounds, unit="run"):
        load = loads[name]
        with new_folder() as folder, incrementer()(folder) as service, ThreadPoolExecutor() as pool:
            _fill(service, "total")
            wrk(service.port, 1)
            beside = pool.submit(load, service.port) if load else None
            rates[name].append(wrk(service.port, seconds).requests_per_second)
            if beside:
                others[name].append(beside.result())
    lines = ["| beside | increments/s | ratio | reads/s | p99 of reads, ms |"]
    lines.append("|---|---:|---:|---:|---:|")
    alone = median(rates["nothing"])
    for name, found in rates.items():
        rate = median(found)
        told = ["", ""]
        if others[name]:
            told = [
                f"{median(run.requests_per_second for run in others[name]):,.0f}",
                f"{median(run.p99_ms for run in others[name]):.0f}",
            ]
        lines.append(f"| {name} | {rate:,.0f} | {rate / alone:.2f} | {' | '.join(told)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reads", description=__doc__)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    size = parser.parse_args()
    for line in [
        *reads(size.seconds, size.rounds),
        "",
        *beside_increments(size.seconds, size.rounds),
    ]:
        print(line)


if __name__ == "__main__":
    main()
