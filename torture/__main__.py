"""`make torture`: every fault, again and again until the time is up, and the table of accounts."""

from __future__ import annotations

import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

from tqdm import tqdm

from torture.faults import FAULTS
from torture.run import perform


def main() -> int:
    minutes = float(os.environ.get("MINUTES", "3"))
    seed = os.environ.get("SEED") or str(random.SystemRandom().randrange(10**6))
    print(f"SEED={seed} repeats this run.")
    sums: dict[str, Counter[str]] = {name: Counter() for name in FAULTS}
    deadline = time.monotonic() + minutes * 60
    rounds = 0
    with tqdm(total=round(minutes * 60), unit="s") as bar:
        while not rounds or time.monotonic() < deadline:
            for fault in FAULTS.values():
                bar.set_description(fault.name)
                began = time.monotonic()
                injected, verdict = perform(fault.inflict, f"{seed} {rounds} {fault.name}", minutes)
                sums[fault.name].update(
                    times=injected,
                    acknowledged=verdict.acknowledged,
                    lost=verdict.lost,
                    double=verdict.double,
                )
                bar.update(round(time.monotonic() - began))
                if rounds and time.monotonic() > deadline:
                    break
            rounds += 1
    _print_table(sums, print)
    return any(row["lost"] or row["double"] for row in sums.values())


def _print_table(sums: dict[str, Counter[str]], write: Callable[[str], None]) -> None:
    columns = "times", "acknowledged", "lost", "double"
    width = max(map(len, sums))
    write(f"{'fault':{width}}" + "".join(f"{column:>14}" for column in columns))
    for name, row in sums.items():
        write(f"{name:{width}}" + "".join(f"{row[column]:>14,}" for column in columns))


if __name__ == "__main__":
    sys.exit(main())
