"""The load generators, and what they print."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.paths import HERE

BATCH_INCREMENTS = 1000
"""How many increments each batch has that requests.lua makes."""

_MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


class Void(Exception):
    """A run that does not count, because not every request was answered as it should be."""


class Hung(Void):
    """A load generator that did not end in time."""


@dataclass(frozen=True)
class Run:
    """What wrk measured."""

    requests_per_second: float
    p99_ms: float
    """The latency that 99 % of the requests do not exceed, in milliseconds."""


def wrk(
    port: int,
    seconds: float,
    request_kind: str = "form",
    connections: int = 64,
    script: str = "requests.lua",
    *more: str,
) -> Run:
    """Load the server on `port` from one thread with keep-alive connections.

    Args:
        request_kind: what is sent, as requests.lua names it.
        script: which script makes the requests.
        more: what else the script is told.

    Raises:
        Void: there was an error, a timeout, or a status other than 2xx.
    """
    command = [
        *("wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--latency"),
        *("--timeout", "10s", "-s", str(HERE / script)),
        *(f"http://127.0.0.1:{port}/", "--", request_kind, *more),
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

    transactions_per_second: float
    longest_seconds: float
    """How long the slowest transaction took."""
    failed: int
    """How many transactions failed."""


def siege(port: int, seconds: int, folder: Path) -> Siege:
    """Load the server on `port` with 200 users of siege, with a new connection for each request."""
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
    except Hung:  # siege sometimes hangs at its end: https://github.com/JoeDog/siege/issues/4
        output = _output(command, seconds + 20)
    found = json.loads(output[output.index("{") : output.rindex("}") + 1])
    if not found["transactions"]:
        raise Void(f"siege said: {output}")
    return Siege(
        transactions_per_second=found["transaction_rate"],
        longest_seconds=found["longest_transaction"],
        failed=found["failed_transactions"],
    )


def redis_benchmark(port: int, increments: int) -> float:
    """Return how many INCRBY commands Redis carries out per second.

    There are 50 connections, and each sends 64 commands before it waits for the replies.

    Raises:
        Void: redis-benchmark printed no rate.
    """
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


def _output(command: Sequence[str | Path], timeout_seconds: float) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds)
    except subprocess.TimeoutExpired:
        raise Hung(f"{command[0]} did not end within {timeout_seconds:g} s") from None
    return done.stdout + done.stderr
