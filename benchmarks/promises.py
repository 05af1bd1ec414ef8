"""What the Incrementer promises besides its throughput, measured one promise after the other."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psutil
from tqdm import tqdm

from benchmarks.contestants import HELLO, INCREMENTER
from benchmarks.contestants.ours import incrementer
from benchmarks.contestants.programs import missing
from benchmarks.contestants.redis import redis
from benchmarks.flush import measure_flush
from benchmarks.load import BATCH_INCREMENTS, Siege, Void, redis_benchmark, siege, wrk
from benchmarks.paths import new_folder
from tests.testbed.processes import largest_memory_bytes


@dataclass(frozen=True)
class Finding:
    """One measured promise."""

    what: str
    measured: str
    goal: str = ""
    reached: bool | None = None
    """None: there is no goal, or it could not be measured."""


@dataclass(frozen=True)
class Effort:
    """How long and how often to measure."""

    seconds: float
    """How long one run under load takes."""
    rounds: int
    """How many times each promise is measured."""
    keys: int
    """How many keys are pending in the worker whose flush is measured."""
    rows: int
    """How many rows the large table has."""
    siege_seconds: int
    soak_seconds: float
    """How long the run takes that shows whether memory stays flat."""
    idle_seconds: float
    """How long the CPU time of idle processes is watched."""


Measure = Callable[[Effort], list[Finding]]


def promises(effort: Effort) -> list[Finding]:
    """Measure every promise; where one cannot be measured, its finding says why."""
    measures: dict[str, Measure] = {
        "Batches of 1,000": _batches,
        "1,000 connections": _connections,
        "A large table": _large_table,
        "Flush of a full worker": _flush,
        "siege": _siege,
        "Memory under load": _soak,
        "CPU when idle": _idle,
    }
    findings = []
    progress = tqdm(measures.items(), unit="measure")
    for name, measure in progress:
        progress.set_description(name)
        try:
            findings += measure(effort)
        except (Void, AssertionError) as void:
            findings.append(Finding(name, f"void: {void}", reached=False))
    return findings


def _absent(what: str, programs: Sequence[str]) -> list[Finding]:
    return [Finding(what, f"absent: {' and '.join(programs)} not installed")]


def _batches(effort: Effort) -> list[Finding]:
    ours, theirs = [], []
    absent = missing("redis-server", "redis-benchmark")
    for _ in range(effort.rounds):
        with INCREMENTER.running() as server:
            run = wrk(server.port, effort.seconds, "batch")
            ours.append(run.requests_per_second * BATCH_INCREMENTS)
        if not absent:
            with new_folder() as folder, redis(folder, "everysec") as server:
                increments = int(1_000_000 * effort.seconds)
                theirs.append(redis_benchmark(server.port, increments))
    batches = Finding("increments/s in JSON batches of 1,000", f"{median(ours):,.0f}")
    if absent:
        return [batches, *_absent("the same against redis-benchmark -P 64 incrby", absent)]
    ratio = median(ours) / median(theirs)
    return [
        batches,
        Finding("`redis-benchmark -P 64 incrby`, increments/s", f"{median(theirs):,.0f}"),
        Finding("batches against that, ratio", f"{ratio:.2f}", "2.5", ratio >= 2.5),
    ]


def _connections(effort: Effort) -> list[Finding]:
    few, many = [], []
    for _ in range(effort.rounds):
        with INCREMENTER.running() as server:
            few.append(wrk(server.port, effort.seconds).requests_per_second)
            run = wrk(server.port, effort.seconds, connections=1000)
            many.append(run.requests_per_second)
    ratio = median(many) / median(few)
    return [
        Finding(
            "1,000 connections, all answered; throughput against 64 connections",
            f"{ratio:.2f}",
            "0.7",
            ratio >= 0.7,
        )
    ]


def _large_table(effort: Effort) -> list[Finding]:
    small: list[float] = []
    large: list[float] = []
    with _table(1000) as few_rows, _table(effort.rows) as many_rows:
        for _ in range(effort.rounds):
            for database, rates in ((few_rows, small), (many_rows, large)):
                with new_folder() as folder, incrementer(database)(folder) as server:
                    rates.append(wrk(server.port, effort.seconds).requests_per_second)
    ratio = median(large) / median(small)
    what = f"throughput with {effort.rows:,} rows in the table against 1,000"
    return [Finding(what, f"{ratio:.2f}", "0.9", ratio >= 0.9)]


@contextmanager
def _table(rows: int) -> Iterator[Path]:
    """Make a database with totals for the keys k0, k1, ...; requests post the first 1,000."""
    with new_folder() as folder:
        path = folder / "numbers.db"
        database = sqlite3.connect(path, isolation_level=None)
        database.execute("PRAGMA journal_mode=OFF")
        database.execute("CREATE TABLE numbers (key text NOT NULL, value integer NOT NULL)")
        database.execute(
            "WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?)"
            " INSERT INTO numbers SELECT 'k' || i, 1 FROM n",
            [rows],
        )
        database.execute("CREATE UNIQUE INDEX numbers_key_index ON numbers (key)")
        database.close()
        yield path


def _flush(effort: Effort) -> list[Finding]:
    flush = measure_flush(effort.keys)
    keys = f"{effort.keys:,} keys"
    return [
        Finding(
            f"memory of a worker with {keys} pending, MB",
            f"{flush.memory_mb:.0f}",
            "300",
            flush.memory_mb < 300,
        ),
        Finding(
            f"flush of {keys} into SQLite, keys/s",
            f"{flush.keys_per_second:,.0f}",
            "300,000",
            flush.keys_per_second >= 300_000,
        ),
        Finding("p99 of requests during it, ms", f"{flush.p99_ms:.1f}", "10", flush.p99_ms < 10),
        Finding(
            "slowest request during it, ms",
            f"{flush.latencies_ms[-1]:.1f}",
            "50",
            flush.latencies_ms[-1] < 50,
        ),
    ]


def _siege(effort: Effort) -> list[Finding]:
    if absent := missing("siege"):
        return _absent("siege, 200 users, a connection per request", absent)
    runs: dict[str, list[Siege]] = {INCREMENTER.name: [], HELLO.name: []}
    for _ in range(effort.rounds):
        for contestant in (INCREMENTER, HELLO):
            with contestant.running() as server:
                run = siege(server.port, effort.siege_seconds, server.folder)
                runs[contestant.name].append(run)
    ours, theirs = runs[INCREMENTER.name], runs[HELLO.name]
    failed = sum(run.failed for run in ours)
    longest = max(run.longest_seconds for run in ours)
    our_rate, their_rate = (
        median(run.transactions_per_second for run in runs) for runs in (ours, theirs)
    )
    ratio = our_rate / their_rate
    return [
        Finding("siege, 200 users, a connection per request: transactions/s", f"{our_rate:,.0f}"),
        Finding("the same against the ASGI hello app, ratio", f"{ratio:.2f}", "1", ratio >= 1),
        Finding("failed transactions", str(failed), "0", failed == 0),
        Finding("longest transaction, s", f"{longest:.2f}", "0.5", longest < 0.5),
    ]


def _soak(effort: Effort) -> list[Finding]:
    """Watch the memory of the largest worker over a run at full speed, without its first tenth."""
    with INCREMENTER.running() as server, ThreadPoolExecutor(1) as pool:
        load = pool.submit(wrk, server.port, effort.soak_seconds)
        samples = []
        time.sleep(effort.soak_seconds / 10)
        while not load.done():
            samples.append(largest_memory_bytes(server.workers()) / 1e6)
            time.sleep(min(1.0, effort.soak_seconds / 20))
        load.result()
    tenth = max(1, len(samples) // 10)
    early, late = median(samples[:tenth]), median(samples[-tenth:])
    return [
        Finding(
            f"memory of a worker over {effort.soak_seconds:g} s at full speed, MB",
            f"{early:.0f} to {late:.0f}",
            "flat",
            late <= early * 1.1,
        )
    ]


def _idle(effort: Effort) -> list[Finding]:
    with INCREMENTER.running() as server:
        wrk(server.port, 1)
        time.sleep(6)  # the flush of what wrk sent is over by then
        before = _cpu_seconds(server.processes())
        time.sleep(effort.idle_seconds)
        used = (_cpu_seconds(server.processes()) - before) / effort.idle_seconds * 100
    return [Finding("CPU when idle, % of one core", f"{used:.1f}", "1", used < 1)]


def _cpu_seconds(pids: Iterable[int]) -> float:
    """Return the CPU time that processes have used so far."""
    times = [psutil.Process(pid).cpu_times() for pid in pids]
    return sum(float(time.user + time.system) for time in times)
