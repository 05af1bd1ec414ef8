"""The repository's gunicorn configuration with small limits, so that a test reaches them soon."""

from pathlib import Path
from runpy import run_path
from typing import Any

DEADLINE = 3
CONNECTIONS = 1200

globals().update(run_path(str(Path(__file__).parent.parent / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from counters import health
    from incrementer_site import lane

    health.UNREADY_AFTER = DEADLINE
    lane.REQUEST_DEADLINE = DEADLINE
    lane.MAX_CONNECTIONS = CONNECTIONS
