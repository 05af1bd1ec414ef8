"""The throughput of each contestant, over few connections and over many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from tqdm import tqdm

from benchmarks.contestants.programs import missing
from benchmarks.contestants.server import Contestant
from benchmarks.load import Run, Void, wrk

FEW, MANY = 64, 512
"""Connections that stay open during a run."""

Plan = Mapping[Contestant, Sequence[int]]
"""For each contestant, the numbers of connections that it is measured with, one by one."""


@dataclass
class Throughput:
    """The runs of one contestant."""

    contestant: Contestant
    runs: dict[int, list[Run]] = field(default_factory=lambda: defaultdict(list))
    """The runs that count, by the number of connections."""
    void: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Why other runs do not count, by the number of connections."""
    not_installed: Sequence[str] = ()

    def absent(self, connections: int) -> str:
        """Return why there is no result for so many `connections`; empty where there is one."""
        if self.not_installed:
            return f"{' and '.join(self.not_installed)} not installed"
        if self.runs[connections]:
            return ""
        void = self.void[connections]
        return f"every run void: {void[-1]}" if void else "not measured"

    def requests_per_second(self, connections: int) -> float:
        """Return the median of the runs."""
        return median(run.requests_per_second for run in self.runs[connections])

    def p99_ms(self, connections: int) -> float:
        """Return the median of the runs: milliseconds that 99 % of the requests took at most."""
        return median(run.p99_ms for run in self.runs[connections])


def throughput(plan: Plan, rounds: int, seconds: float) -> dict[str, Throughput]:
    """Measure each contestant `rounds` times.

    The contestants take turns: if the machine is slow for a minute, that hits more than one of
    them. In each round a contestant is started once, and measured with every number of connections
    that `plan` has for it.

    Returns:
        The results, by the contestants' names.
    """
    results = {contestant.name: Throughput(contestant) for contestant in plan}
    for result in results.values():
        result.not_installed = missing(*result.contestant.needs)
    progress = tqdm(total=rounds * len(plan), unit="run")
    for _ in range(rounds):
        for result in results.values():
            progress.set_description(result.contestant.name)
            if not result.not_installed:
                _measure(result, plan[result.contestant], seconds)
            progress.update()
    progress.close()
    return results


def _measure(result: Throughput, numbers: Sequence[int], seconds: float) -> None:
    kind = result.contestant.request_kind
    try:
        with result.contestant.running() as server:
            wrk(server.port, 1, kind)  # warm-up
            for connections in numbers:
                try:
                    result.runs[connections].append(wrk(server.port, seconds, kind, connections))
                except Void as void:
                    result.void[connections].append(str(void))
    except (Void, AssertionError) as trouble:
        for connections in numbers:
            result.void[connections].append(str(trouble))
