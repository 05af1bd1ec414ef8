"""`make torture`: makes every fault happen, round after round, and prints a table of accounts.

Environment variables:
    MINUTES: how long to go on (default: 3); there is at least one round. From 30 on, faults have
        their long forms, and each is made twice in a round, the second time beside commands.
    SEED: fixes the order of the faults, the requests, and the random times and places of faults.
    FAULTS: a regular expression; only faults with names that match are made.
    LONG: if it is not empty, faults have their long forms, whatever MINUTES is.
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tqdm import tqdm

from tests.torture.fault import Fault
from tests.torture.faults import FAULTS
from tests.torture.run import Outcome, perform

_FAULTS_BESIDE_COMMANDS = 10
"""How many faults a round of short forms makes once more, beside commands."""


def main() -> int:
    minutes = float(os.environ.get("MINUTES", "3"))
    long = minutes >= 30 or bool(os.environ.get("LONG"))
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))
    pattern = re.compile(os.environ.get("FAULTS", ""))
    faults = [fault for fault in FAULTS.values() if pattern.search(fault.name)]
    if not faults:
        sys.exit(f"No fault's name matches FAULTS={pattern.pattern!r}.")
    print(f"SEED={seed} repeats this run.")
    sums: dict[str, Counter[str]] = {}
    figures: dict[str, dict[str, float]] = {}
    notes: list[str] = []
    deadline = time.monotonic() + minutes * 60
    rounds = 0
    with tqdm(total=round(minutes * 60), unit="s") as bar:
        while not rounds or time.monotonic() < deadline:
            chance = random.Random(f"{seed} {rounds}")
            for fault, beside_commands in _round(faults, chance, long):
                if rounds and time.monotonic() > deadline:
                    break
                name = fault.name + " + commands" * beside_commands
                bar.set_description(name)
                began = time.monotonic()
                outcome = perform(fault.inflict, f"{seed} {rounds} {name}", long, beside_commands)
                sums.setdefault(name, Counter()).update(_row(outcome))
                worst = figures.setdefault(name, {})
                for figure, number in outcome.figures.items():
                    worst[figure] = max(number, worst.get(figure, 0))
                if not outcome.ok:
                    what = outcome.failure or "increments are wrong"
                    notes.append(f"{name}: {what}\n(everything is in {outcome.folder})")
                bar.update(round(time.monotonic() - began))
            rounds += 1
    _print_table(sums)
    _print_figures(figures)
    for note in notes:
        print(f"\n{note}")
    return bool(notes)


def _round(faults: list[Fault], chance: random.Random, long: bool) -> Iterator[tuple[Fault, bool]]:
    """Yield each fault, and then some or all of them once more; True: beside commands."""
    for fault in faults:
        yield fault, False
    faults = [fault for fault in faults if not fault.alone]
    if not long:
        faults = chance.sample(faults, min(_FAULTS_BESIDE_COMMANDS, len(faults)))
    for fault in faults:
        yield fault, True


def _row(outcome: Outcome) -> dict[str, int]:
    return {
        "times": outcome.injected,
        "acknowledged": outcome.verdict.acknowledged,
        "lost": outcome.verdict.lost,
        "double": outcome.verdict.double,
        "stale": outcome.verdict.stale,
        "failed": bool(outcome.failure),
    }


def _print_table(sums: dict[str, Counter[str]]) -> None:
    columns = "times", "acknowledged", "lost", "double", "stale", "failed"
    width = max(map(len, sums))
    print(f"{'fault':{width}}" + "".join(f"{column:>14}" for column in columns))
    for name, row in sums.items():
        print(f"{name:{width}}" + "".join(f"{row[column]:>14,}" for column in columns))


def _print_figures(figures: dict[str, dict[str, float]]) -> None:
    """Print what was measured, where anything was: the worst of all rounds."""
    measured = {name: row for name, row in figures.items() if row}
    columns = list(dict.fromkeys(column for row in measured.values() for column in row))
    width = max(map(len, measured), default=0)
    if measured:
        print(f"\n{'figures':{width}}" + "".join(f"{column:>25}" for column in columns))
    for name, row in measured.items():
        print(f"{name:{width}}" + "".join(f"{row.get(column, 0):>25,.0f}" for column in columns))


if __name__ == "__main__":
    sys.exit(main())
