"""The results as Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import contestants
from benchmarks.chart import bar_chart
from benchmarks.contestants.programs import versions
from benchmarks.contestants.server import Contestant
from benchmarks.measures import Throughput
from benchmarks.promises import Finding

BEGIN = "<!-- measured: begin (make bench writes this part) -->"
END = "<!-- measured: end -->"

GOALS: tuple[tuple[Contestant, Contestant, float], ...] = (
    (contestants.INCREMENTER, contestants.HELLO, 1.5),
    (contestants.INCREMENTER, contestants.GO, 1.3),
    (contestants.INCREMENTER, contestants.REDIS, 1.2),
    (contestants.INCREMENTER, contestants.NGINX, 0.6),
    (contestants.INCREMENTER, contestants.NAIVE, 80),
    (contestants.INCREMENTER_ALWAYS, contestants.REDIS_ALWAYS, 0.9),
)
"""Who is measured against whom, and the ratio to reach."""


def throughput_table(results: dict[str, Throughput]) -> list[str]:
    lines = ["| what answered | requests/s | p99, ms |", "|---|---:|---:|"]
    for name, result in results.items():
        if result.absent:
            lines.append(f"| {name} | absent: {result.absent} | |")
        else:
            lines.append(f"| {name} | {result.rate:,.0f} | {result.p99:.2f} |")
    for name, result in results.items():
        if result.runs and result.void:
            lines += ["", f"{name}: {len(result.void)} run(s) void, the last: {result.void[-1]}."]
    return lines


def ratio_table(results: dict[str, Throughput]) -> list[str]:
    lines = ["| | against | ratio | goal | |", "|---|---|---:|---:|---|"]
    for ours, theirs, goal in GOALS:
        first, second = results[ours.name], results[theirs.name]
        if absent := first.absent or second.absent:
            lines.append(f"| {ours.name} | {theirs.name} | absent: {absent} | {goal:g} | |")
        else:
            ratio = first.rate / second.rate
            reached = "reached" if ratio >= goal else "missed"
            lines.append(f"| {ours.name} | {theirs.name} | {ratio:.2f} | {goal:g} | {reached} |")
    return lines


def promise_table(findings: Sequence[Finding]) -> list[str]:
    words = {None: "", True: "reached", False: "missed"}
    return [
        "| promise | measured | goal | |",
        "|---|---:|---:|---|",
        *(f"| {f.what} | {f.measured} | {f.goal} | {words[f.reached]} |" for f in findings),
    ]


def latency(results: dict[str, Throughput]) -> list[Finding]:
    ours = results[contestants.INCREMENTER.name]
    if ours.absent:
        return []
    what = "p99 of requests over 64 connections at full speed, ms"
    return [Finding(what, f"{ours.p99:.2f}", "5", ours.p99 < 5)]


def setting() -> list[str]:
    """Say where and when this was measured, and with which versions."""
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
    bars = [
        (name, result.rate, name.startswith("Incrementer"))
        for name, result in results.items()
        if not result.absent
    ]
    note = f"requests/s, one increment each, on the same {os.cpu_count()} CPUs; more is better"
    picture.write_text(bar_chart("Increments over HTTP", note, bars))
