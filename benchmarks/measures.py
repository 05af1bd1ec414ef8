"""What is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from tqdm import tqdm

from benchmarks.contestants.programs import missing
from benchmarks.contestants.server import Contestant
from benchmarks.load import Run, Void, wrk


@dataclass
class Throughput:
    """The runs of one contestant, or why there are none."""

    contestant: Contestant
    runs: list[Run] = field(default_factory=list)
    void: list[str] = field(default_factory=list)
    """Why runs did not count."""
    not_installed: Sequence[str] = ()

    @property
    def absent(self) -> str:
        """Why there is no number; empty where there is one."""
        if self.not_installed:
            return f"{' and '.join(self.not_installed)} not installed"
        return "" if self.runs else f"every run void: {self.void[-1]}"

    @property
    def rate(self) -> float:
        return median(run.rate for run in self.runs)

    @property
    def p99(self) -> float:
        return median(run.p99_ms for run in self.runs)


def throughput(
    contestants: Sequence[Contestant], rounds: int, seconds: float
) -> dict[str, Throughput]:
    """Measure each contestant `rounds` times, in turn, so that a slow minute hits them all."""
    results = {contestant.name: Throughput(contestant) for contestant in contestants}
    for result in results.values():
        result.not_installed = missing(*result.contestant.needs)
    progress = tqdm(total=rounds * len(contestants), unit="run")
    for _ in range(rounds):
        for result in results.values():
            progress.set_description(result.contestant.name)
            if not result.not_installed:
                try:
                    with result.contestant.running() as server:
                        wrk(server.port, 1, result.contestant.sends)  # warm-up
                        result.runs.append(wrk(server.port, seconds, result.contestant.sends))
                except (Void, RuntimeError) as void:
                    result.void.append(str(void))
            progress.update()
    progress.close()
    return results
