"""The repository's gunicorn configuration with a disk that syncs nothing while a file is there."""

import os
import time
from pathlib import Path
from runpy import run_path
from typing import Any

globals().update(run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from counters.journal import Journal

    sync, stall = Journal.sync, Path(os.environ["STALL"])

    def sync_once_it_can(self: Journal) -> None:
        while stall.exists():
            time.sleep(0.02)
        sync(self)

    Journal.sync = sync_once_it_can  # type: ignore[method-assign]
