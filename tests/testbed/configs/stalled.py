"""The repository's configuration; no sync ends while the file exists that `STALL` names."""

import os
import time
from pathlib import Path
from runpy import run_path
from typing import Any

from tests.testbed.commands import ROOT

globals().update(run_path(str(ROOT / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from counters.journal import Journal

    sync, stall = Journal.sync, Path(os.environ["STALL"])

    def sync_once_it_can(self: Journal) -> None:
        while stall.exists():
            time.sleep(0.02)
        sync(self)

    Journal.sync = sync_once_it_can  # type: ignore[method-assign]
