"""What an id on every request costs: `python -m benchmarks.idempotency`.

One service, loaded by turns with ids and without. Both kinds are sent by the same script, which
makes an id in half a microsecond.
"""

from __future__ import annotations

import argparse
from functools import partial
from statistics import median

from tqdm import tqdm

from benchmarks.contestants.ours import incrementer
from benchmarks.load import wrk
from benchmarks.paths import new_folder

_CONNECTIONS = 64
_KINDS = {"form": "increments, each alone", "batch": "batches of 1,000"}


def _load(port: int, kind: str, seconds: float, *more: str) -> float:
    return wrk(port, seconds, kind, _CONNECTIONS, "idempotency.lua", *more).requests_per_second


def ids_table(seconds: float, rounds: int) -> list[str]:
    """Measure each kind of request `rounds` times, and return the results as Markdown."""
    lines = ["| requests/s, 64 connections | without | with an id | ratio | least | most |"]
    lines.append("|---|---:|---:|---:|---:|---:|")
    for kind, what in _KINDS.items():
        without: list[float] = []
        with_ids: list[float] = []
        with new_folder() as folder, incrementer()(folder) as service:
            load = partial(_load, service.port, kind)
            load(1)
            load(1, "ids")
            for number in tqdm(range(rounds), desc=what, unit="pair"):
                if number % 2:
                    with_ids.append(load(seconds, "ids"))
                without.append(load(seconds))
                if not number % 2:
                    with_ids.append(load(seconds, "ids"))
        ratios = [some / all_ for some, all_ in zip(with_ids, without, strict=True)]
        lines.append(
            f"| {what} | {median(without):,.0f} | {median(with_ids):,.0f} | {median(ratios):.3f}"
            f" | {min(ratios):.3f} | {max(ratios):.3f} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.idempotency", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=6, help="pairs of runs of each kind")
    size = parser.parse_args()
    print("\n".join(ids_table(size.seconds, size.rounds)))


if __name__ == "__main__":
    main()
