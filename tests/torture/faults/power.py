"""Power cuts: everything killed, and the journals cut to what the disk is known to hold.

The saboteur notes a journal's size at each fdatasync that succeeded. What came later may be on the
disk or not, so the cut is made there, or anywhere after it.
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
"""What `everysec` may lose: a second, and half a second more where the machine is busy."""


def _cut_power(fsync: str, allowed_seconds: float) -> Inflict:
    """Make a fault of a power cut that may cost what was acknowledged that long ago."""

    def inflict(run: Run) -> None:
        # No flush in time: what counts in the end is what the journals still have.
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
    record = orders_folder(run.service) / f"{journal.stem}.synced"
    synced = int(record.read_text().split()[-1]) if record.exists() else 0
    size = journal.stat().st_size
    os.truncate(journal, run.chance.choice([synced, run.chance.randint(synced, size)]))
