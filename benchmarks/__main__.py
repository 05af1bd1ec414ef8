"""Measure against other servers: `make bench`, or `make bench-quick`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from benchmarks import contestants, report
from benchmarks.measures import throughput

PAGE = contestants.ROOT / "docs" / "performance.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under two minutes, printed only")
    parser.add_argument(
        "--install", action="store_true", help="install absent programs first (Debian, as root)"
    )
    arguments = parser.parse_args()
    find_programs(arguments.install)
    rounds, seconds = (1, 3) if arguments.quick else (5, 10)
    results = throughput(contestants.ALL, rounds, seconds)
    lines = [
        *report.setting(),
        "",
        *report.throughput_table(results),
        "",
        *report.ratio_table(results),
    ]
    print("\n".join(lines))
    if not arguments.quick:
        report.write(PAGE, lines)


def find_programs(install: bool) -> None:
    """Say which programs are absent and how to get them; without wrk there is nothing to do."""
    packages = [contestants.INSTALL[name] for name in contestants.missing(*contestants.INSTALL)]
    if packages and install:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "install", "-y", *packages], env=environment, check=True)
    elif packages:
        print(f"Absent: {', '.join(packages)}. To install: apt-get install {' '.join(packages)}")
    if contestants.missing("wrk"):
        sys.exit("wrk makes the load: nothing can be measured without it.")


if __name__ == "__main__":
    main()
