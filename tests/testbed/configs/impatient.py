"""The repository's configuration with small limits, so that a test reaches them soon."""

from runpy import run_path
from typing import Any

from incrementer_site.lane.limits import Limits
from incrementer_site.lane.worker import IncrementWorker
from tests.testbed.commands import IMPATIENT_CONNECTIONS, IMPATIENT_SECONDS, ROOT

globals().update(run_path(str(ROOT / "gunicorn.conf.py")))


class ImpatientWorker(IncrementWorker):
    limits = Limits(max_connections=IMPATIENT_CONNECTIONS, request_seconds=IMPATIENT_SECONDS)


worker_class = ImpatientWorker


def post_worker_init(worker: Any) -> None:
    from counters import state
    from counters.web import export

    state.UNREADY_AFTER_SECONDS = IMPATIENT_SECONDS
    export.LONGEST_SECONDS = IMPATIENT_SECONDS
