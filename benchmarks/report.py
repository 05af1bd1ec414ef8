"""The results as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import contestants
from benchmarks.chart import Group, bar_chart
from benchmarks.contestants.programs import versions
from benchmarks.contestants.server import Contestant
from benchmarks.measures import FEW, MANY, Throughput
from benchmarks.promises import Finding

BEGIN = "<!-- measured: begin (make bench writes this part) -->"
END = "<!-- measured: end -->"

GOALS: tuple[tuple[Contestant, Contestant, float | None], ...] = (
    (contestants.INCREMENTER, contestants.GO_FASTHTTP, None),
    (contestants.INCREMENTER, contestants.NGINX_COUNTING, None),
    (contestants.INCREMENTER, contestants.REDIS, 1.2),
    (contestants.INCREMENTER, contestants.GO, 1.3),
    (contestants.INCREMENTER, contestants.HELLO, 1.5),
    (contestants.INCREMENTER, contestants.NAIVE, 80),
    (contestants.INCREMENTER, contestants.NAIVE_WAL, None),
    (contestants.INCREMENTER, contestants.NGINX, 0.6),
    (contestants.INCREMENTER_ALWAYS, contestants.REDIS_ALWAYS, 0.9),
)
"""Which contestants are compared: ours, theirs, and our goal for the ratio of their requests/s.

The goal is for few connections. None: there is no goal. Example: 1.2 is reached where ours answers
120 requests in the time in which theirs answers 100.
"""


def throughput_table(results: dict[str, Throughput]) -> list[str]:
    lines = [
        f"| what answered | requests/s, {FEW} connections | {MANY} connections"
        f" | p99 at {FEW}, ms |",
        "|---|---:|---:|---:|",
    ]
    for name, result in results.items():
        rates = (
            result.absent(connections) or f"{result.requests_per_second(connections):,.0f}"
            for connections in (FEW, MANY)
        )
        p99 = "" if result.absent(FEW) else f"{result.p99_ms(FEW):.2f}"
        lines.append(f"| {name} | {' | '.join(rates)} | {p99} |")
    for name, result in results.items():
        for connections, void in result.void.items():
            if void and result.runs[connections]:
                what = f"{name}, {connections} connections"
                lines += ["", f"{what}: {len(void)} run(s) void, the last: {void[-1]}."]
    return lines


def ratio_table(results: dict[str, Throughput]) -> list[str]:
    lines = [
        f"| | against | ratio at {FEW} | goal | | ratio at {MANY} |",
        "|---|---|---:|---:|---|---:|",
    ]
    for ours, theirs, goal in GOALS:
        few, many = (
            _ratio(results[ours.name], results[theirs.name], connections)
            for connections in (FEW, MANY)
        )
        reached = ""
        if goal and few:
            reached = "reached" if few >= goal else "missed"
        cells = (
            ours.name,
            theirs.name,
            f"{few:.2f}" if few else "not measured",
            f"{goal:g}" if goal else "",
            reached,
            f"{many:.2f}" if many else "not measured",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _ratio(ours: Throughput, theirs: Throughput, connections: int) -> float | None:
    if ours.absent(connections) or theirs.absent(connections):
        return None
    return ours.requests_per_second(connections) / theirs.requests_per_second(connections)


def promise_table(findings: Sequence[Finding]) -> list[str]:
    words = {None: "", True: "reached", False: "missed"}
    return [
        "| promise | measured | goal | |",
        "|---|---:|---:|---|",
        *(f"| {f.what} | {f.measured} | {f.goal} | {words[f.reached]} |" for f in findings),
    ]


def latency(results: dict[str, Throughput]) -> list[Finding]:
    ours = results[contestants.INCREMENTER.name]
    if ours.absent(FEW):
        return []
    p99_ms = ours.p99_ms(FEW)
    what = f"p99 of requests over {FEW} connections at full speed, ms"
    return [Finding(what, f"{p99_ms:.2f}", "5", p99_ms < 5)]


def machine() -> list[str]:
    """Return lines that say where and when this was measured, and with which versions."""
    cpu = platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
    python = [f"{name} {version(name)}" for name in ("Django", "gunicorn", "uvicorn", "uvloop")]
    programs = [f"Python {platform.python_version()}", *python, *versions()]
    return [
        f"Measured on {datetime.now(UTC):%-d %B %Y}: {os.cpu_count()} CPUs ({cpu}),"
        f" {memory:.0f} GiB, {platform.system()} {platform.release()}. {', '.join(programs)}.",
    ]


def write(page: Path, lines: list[str]) -> None:
    """Put `lines` between the marks in `page`; what stands around them stays."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text("\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"]))


def draw(picture: Path, results: dict[str, Throughput]) -> None:
    """Draw the throughput of all that were measured."""
    groups = [
        Group(
            name,
            [result.requests_per_second(n) if not result.absent(n) else None for n in (FEW, MANY)],
            is_ours=name.startswith("Incrementer"),
        )
        for name, result in results.items()
        if not result.absent(FEW) and " behind " not in name
    ]
    note = f"requests/s, one increment each, on the same {os.cpu_count()} CPUs; more is better"
    legend = [f"{FEW} connections", f"{MANY} connections"]
    picture.write_text(bar_chart("Increments over HTTP", note, legend, groups))
