"""The load generators, and what they print."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paths import HERE

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Void(Exception):
    """A run that does not count, because not every request was answered as it should be."""


class Hung(Void):
    """A load generator that did not end in time."""


@dataclass(frozen=True)
class Run:
    """What wrk measured."""

    rate: float
    """Requests per second."""
    p99_ms: float
    """Milliseconds that 99 % of the requests took at most."""


def wrk(port: int, seconds: float, sends: str = "form", connections: int = 64) -> Run:
    """Load the server on `port` from one thread with keep-alive connections.

    Raises:
        Void: an error, a timeout, or a status other than 2xx.
    """
    command = [
        *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"),
        *("--timeout", "10s", "-s", str(HERE / "requests.lua")),
        *(f"http://127.0.0.1:{port}/", "--", sends),
    ]
    output = _output(command, seconds + 60)
    for trouble in (r"Socket errors:.*", r"Non-2xx or 3xx responses:.*"):
        if found := re.search(trouble, output):
            raise Void(found[0])
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", output)
    if not rate or not float(rate[1]) or not p99:
        raise Void(f"wrk said: {output}")
    return Run(float(rate[1]), float(p99[1]) * _MILLISECONDS[p99[2]])


@dataclass(frozen=True)
class Siege:
    """What siege measured."""

    rate: float
    """Transactions per second."""
    longest_seconds: float
    """What the longest transaction took."""
    failed: int


def siege(port: int, seconds: int, folder: Path) -> Siege:
    """Besiege the server on `port` with 200 users, each with a new connection per request."""
    settings = folder / "siege.conf"
    settings.write_text(
        "connection = close\nprotocol = HTTP/1.1\nlimit = 255\njson_output = true\n"
        "show-logfile = false\nlogging = false\nfailures = 1000000\nparser = false\n"
    )
    urls = folder / "urls.txt"
    address = f"http://127.0.0.1:{port}/increment"
    urls.write_text("".join(f"{address} POST key=k{i}&value=1\n" for i in range(1000)))
    command: list[str | Path]
    command = ["siege", "-R", settings, "-q", "-b", "-i", "-c200", f"-t{seconds}S", "-f", urls]
    try:
        output = _output(command, seconds + 20)
    except Hung:  # siege does now and then, at its end: https://github.com/JoeDog/siege/issues/4
        output = _output(command, seconds + 20)
    found = json.loads(output[output.index("{") : output.rindex("}") + 1])
    if not found["transactions"]:
        raise Void(f"siege said: {output}")
    return Siege(
        rate=found["transaction_rate"],
        longest_seconds=found["longest_transaction"],
        failed=found["failed_transactions"],
    )


def redis_benchmark(port: int, increments: int) -> float:
    """Return how many INCRBY a second Redis does, 64 sent at a time on each of 50 connections."""
    output = _output(
        [
            *("redis-benchmark", "-p", str(port), "-q", "-P", "64", "-r", "1000"),
            *("-n", str(increments), "incrby", "key:__rand_int__", "1"),
        ],
        300,
    )
    rates = re.findall(r"([\d.]+) requests per second", output)
    if not rates:
        raise Void(f"redis-benchmark said: {output}")
    return float(rates[-1])


def _output(command: Sequence[str | Path], timeout: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        raise Hung(f"{command[0]} did not end within {timeout:g} s") from None
    return done.stdout + done.stderr
