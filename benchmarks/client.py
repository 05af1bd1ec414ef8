"""What a call of the client costs the program that counts: `python -m benchmarks.client`.

The service is real, and takes the batches meanwhile. The times are those of the calling threads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from threading import Thread

from benchmarks.contestants.ours import incrementer
from benchmarks.paths import new_folder
from tests.testbed.commands import ROOT
from tests.testbed.service import Service

sys.path.insert(0, str(ROOT / "clients/python/src"))  # a package of its own, not installed here
from incrementer_client import Counter

_FEW_KEYS, _MANY_KEYS = 100, 50_000


def _seconds(counter: Counter, keys: Iterable[str]) -> float:
    increment = counter.increment
    began = time.perf_counter()
    for key in keys:
        increment(key)
    return time.perf_counter() - began


def _one_thread(service: Service, calls: int, keys: int, spool: Path | None = None) -> float:
    """Return the µs of a call, without those of the loop around it."""
    names = list(islice(cycle([f"key:{i}" for i in range(keys)]), calls))
    began = time.perf_counter()
    for _ in names:
        pass
    loop_seconds = time.perf_counter() - began
    with Counter(f"http://127.0.0.1:{service.port}", spool=spool) as counter:
        return (_seconds(counter, names) - loop_seconds) / calls * 1e6


def _threads(service: Service, calls: int, threads: int) -> float:
    """Return the µs of a call where several threads call: all of their calls, one after another."""
    names = list(islice(cycle([f"key:{i}" for i in range(_FEW_KEYS)]), calls // threads))
    with Counter(f"http://127.0.0.1:{service.port}") as counter:
        workers = [Thread(target=_seconds, args=(counter, names)) for _ in range(threads)]
        began = time.perf_counter()
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return (time.perf_counter() - began) / len(names) / threads * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.client", description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    size = parser.parse_args()
    with new_folder() as folder, incrementer()(folder) as service:
        ways: dict[str, Callable[[], float]] = {
            f"one thread, {_FEW_KEYS} keys": lambda: _one_thread(service, size.calls, _FEW_KEYS),
            f"one thread, {_MANY_KEYS:,} keys": lambda: _one_thread(
                service, size.calls, _MANY_KEYS
            ),
            f"one thread, {_FEW_KEYS} keys, with a spool": lambda: _one_thread(
                service, size.calls, _FEW_KEYS, folder / "spool"
            ),
            f"four threads, {_FEW_KEYS} keys": lambda: _threads(service, size.calls, 4),
        }
        print("| `increment` | µs |\n|---|---:|")
        for way, measure in ways.items():
            print(f"| {way} | {median(measure() for _ in range(size.rounds)):.2f} |")


if __name__ == "__main__":
    main()
