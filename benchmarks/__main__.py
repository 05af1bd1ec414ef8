"""Measure against other servers: `make bench`, or `make bench-quick`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import dataclass

from benchmarks import contestants, report
from benchmarks.contestants.programs import PACKAGES, missing
from benchmarks.measures import FEW, MANY, Plan, throughput
from benchmarks.promises import Effort, promises
from benchmarks.ways import ways_table
from tests.testbed.commands import ROOT

PAGE = ROOT / "docs" / "performance.md"

_QUICK_WITH_MANY = (contestants.INCREMENTER, contestants.GO_FASTHTTP, contestants.NGINX_COUNTING)
"""The contestants that `--quick` measures over many connections too, not only over few."""


@dataclass(frozen=True)
class Size:
    """How long and how often to measure."""

    plan: Plan
    rounds: int
    """How many times each contestant's throughput is measured."""
    seconds: float
    """How long one run of the throughput takes."""
    effort: Effort
    """For the promises that are measured besides the throughput."""


QUICK = Size(
    plan={c: (FEW, MANY) if c in _QUICK_WITH_MANY else (FEW,) for c in contestants.ALL},
    rounds=1,
    seconds=2,
    effort=Effort(
        seconds=2,
        rounds=1,
        keys=200_000,
        rows=500_000,
        siege_seconds=3,
        soak_seconds=3,
        idle_seconds=2,
    ),
)
FULL = Size(
    plan=dict.fromkeys(contestants.ALL, (FEW, MANY)),
    rounds=3,
    seconds=6,
    effort=Effort(
        seconds=6,
        rounds=3,
        keys=1_000_000,
        rows=10_000_000,
        siege_seconds=10,
        soak_seconds=300,
        idle_seconds=30,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes, printed only")
    parser.add_argument(
        "--install", action="store_true", help="install absent programs first (Debian, as root)"
    )
    arguments = parser.parse_args()
    find_programs(arguments.install)
    size = QUICK if arguments.quick else FULL
    results = throughput(size.plan, size.rounds, size.seconds)
    ways = ways_table(size.rounds, size.seconds / 2)
    findings = [*report.latency(results), *promises(size.effort)]
    lines = [
        *report.machine(),
        "",
        *report.throughput_table(results),
        "",
        *report.ratio_table(results),
        "",
        *ways,
        "",
        *report.promise_table(findings),
    ]
    print("\n".join(lines))
    if not arguments.quick:
        report.write(PAGE, ["![Increments over HTTP](performance.svg)", "", *lines])
        report.draw(PAGE.with_suffix(".svg"), results)


def find_programs(install: bool) -> None:
    """Say which programs are absent, and install them or say how to; without wrk, exit."""
    packages = [PACKAGES[name] for name in missing(*PACKAGES)]
    if packages and install:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", *packages]):
            subprocess.run(["apt-get", *command], env=environment, check=True)
    elif packages:
        print(f"Absent: {', '.join(packages)}. To install: apt-get install {' '.join(packages)}")
    if missing("wrk"):
        sys.exit("wrk makes the load: nothing can be measured without it.")


if __name__ == "__main__":
    main()
