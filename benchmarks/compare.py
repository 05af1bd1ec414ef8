"""Measure this checkout of the Incrementer against another: `make compare OTHER=path`.

    git worktree add ../old main
    make compare OTHER=../old

Both run with this checkout's Python and packages. Only one runs at a time, in this order: the
other, this, this, the other, and so on. So if the machine is slow for a minute, that hits both.
Each two runs in a row are a pair and give a ratio: more than 1 where this checkout is faster.

Compare this checkout with itself (OTHER=.) to see how far the ratios are from 1 by chance alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tqdm import tqdm

from benchmarks.contestants.ours import incrementer
from benchmarks.contestants.programs import missing
from benchmarks.load import BATCH_INCREMENTS, Void, siege, wrk
from benchmarks.paths import new_folder
from tests.testbed.commands import ROOT
from tests.testbed.service import Service


def _load_lane(service: Service, seconds: int) -> float:
    return wrk(service.port, seconds).requests_per_second


def _load_with_batches(service: Service, seconds: int) -> float:
    return wrk(service.port, seconds, "batch").requests_per_second * BATCH_INCREMENTS


def _load_with_siege(service: Service, seconds: int) -> float:
    run = siege(service.port, seconds, service.folder)
    if run.failed:
        raise Void(f"{run.failed} transactions failed")
    return run.transactions_per_second


@dataclass(frozen=True)
class Measure:
    what: str
    run: Callable[[Service, int], float]
    """Loads a service for some seconds, and returns how much it did per second."""
    fsync: str = "everysec"


MEASURES = (
    Measure("increment lane, requests/s", _load_lane),
    Measure("JOURNAL_FSYNC=always, requests/s", _load_lane, fsync="always"),
    Measure("batches of 1,000, increments/s", _load_with_batches),
    Measure("siege, transactions/s", _load_with_siege),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare")
    parser.add_argument("other", type=Path, help="path of the other checkout")
    parser.add_argument("--rounds", type=int, default=6, help="pairs of runs of each measure")
    parser.add_argument("--seconds", type=int, default=5, help="length of each run")
    arguments = parser.parse_args()
    other = arguments.other.resolve()
    if not (other / "gunicorn.conf.py").exists():
        sys.exit(f"{other} is no checkout of the Incrementer.")
    if absent := missing("wrk", "siege"):
        sys.exit(f"{' and '.join(absent)} not installed.")
    print("\n".join(compare(other, arguments.rounds, arguments.seconds)))


def compare(other: Path, rounds: int, seconds: int) -> list[str]:
    """Measure the checkout in `other` and this one, `rounds` times each, for `seconds` each time.

    Returns:
        Lines of a Markdown table, and one for each pair of runs that does not count.
    """
    pairs: dict[Measure, list[tuple[float, float]]] = {measure: [] for measure in MEASURES}
    void = []
    progress = tqdm(total=rounds * len(MEASURES), unit="pair")
    for number in range(rounds):
        for measure in MEASURES:
            progress.set_description(measure.what)
            try:
                pairs[measure].append(_pair(measure, other, seconds, other_first=number % 2 == 0))
            except (Void, AssertionError) as trouble:
                void += ["", f"{measure.what}: a pair does not count: {trouble}"]
            progress.update()
    progress.close()
    return [
        "| measure | other | this | this / other | least | most |",
        "|---|---:|---:|---:|---:|---:|",
        *(_line(measure.what, pairs[measure]) for measure in MEASURES),
        *void,
    ]


def _pair(measure: Measure, other: Path, seconds: int, other_first: bool) -> tuple[float, float]:
    """Return what the other checkout did per second, and what this one did."""
    if other_first:
        before = _rate(measure, other, seconds)
        return before, _rate(measure, ROOT, seconds)
    this = _rate(measure, ROOT, seconds)
    return _rate(measure, other, seconds), this


def _rate(measure: Measure, checkout: Path, seconds: int) -> float:
    start = incrementer(checkout=checkout, JOURNAL_FSYNC=measure.fsync)
    with new_folder() as folder, start(folder) as service:
        measure.run(service, 1)  # warm-up
        return measure.run(service, seconds)


def _line(what: str, pairs: list[tuple[float, float]]) -> str:
    if not pairs:
        return f"| {what} | not measured | | | | |"
    other, this = zip(*pairs, strict=True)
    ratios = [mine / theirs for theirs, mine in pairs]
    return (
        f"| {what} | {median(other):,.0f} | {median(this):,.0f} | {median(ratios):.3f}"
        f" | {min(ratios):.3f} | {max(ratios):.3f} |"
    )


if __name__ == "__main__":
    main()
