"""Power cuts: every process is killed, and the end of each journal is cut off.

The saboteur notes a journal's size at each fdatasync that succeeded. So many bytes are on the disk
for sure. Later bytes may be there or not: so the journal is cut at that size, or anywhere after it.
"""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

from tests.testbed.service import NEVER
from tests.torture.fault import Inflict, fault
from tests.torture.orders import orders_folder
from tests.torture.run import Run

_EVERYSEC_SECONDS = 1.5
"""How much `everysec` may lose: one second, and half a second more where the machine is busy."""


def _cut_power(fsync: str, allowed_seconds: float) -> Inflict:
    """Return a power cut that may lose what was acknowledged in the last `allowed_seconds`."""

    def inflict(run: Run) -> None:
        # No flush comes before the cut: only what the journals still have can count.
        run.start(JOURNAL_FSYNC=fsync, FLUSH_INTERVAL=NEVER)
        with run.load():
            run.pause(2, 3)
            run.service.kill()
            run.durable_until = time.monotonic() - allowed_seconds
        for journal in run.service.journal_dir.glob("*.journal"):
            _cut(run, journal)
        run.injected += 1

    return inflict


for _fsync, _allowed_seconds, _proves in [
    ("always", 0.0, "nothing acknowledged is missing"),
    ("everysec", _EVERYSEC_SECONDS, "what is missing was acknowledged in about the last second"),
    ("never", math.inf, "what had not been flushed may be missing; nothing counts twice"),
]:
    fault(f"power cut ({_fsync})", _proves, short=_fsync == "always")(
        _cut_power(_fsync, _allowed_seconds)
    )


def _cut(run: Run, journal: Path) -> None:
    note = orders_folder(run.service) / f"{journal.stem}.synced"
    synced_bytes = int(note.read_text().split()[-1]) if note.exists() else 0
    size_bytes = journal.stat().st_size
    somewhere = run.chance.randint(synced_bytes, size_bytes)
    os.truncate(journal, run.chance.choice([synced_bytes, somewhere]))
