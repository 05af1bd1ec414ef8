"""The repository's configuration with small limits, so that a test reaches them soon."""

from runpy import run_path
from typing import Any

from tests.testbed.commands import IMPATIENT_CONNECTIONS, IMPATIENT_SECONDS, ROOT

globals().update(run_path(str(ROOT / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from counters import health
    from incrementer_site import lane

    health.UNREADY_AFTER = IMPATIENT_SECONDS
    lane.REQUEST_DEADLINE = IMPATIENT_SECONDS
    lane.MAX_CONNECTIONS = IMPATIENT_CONNECTIONS
