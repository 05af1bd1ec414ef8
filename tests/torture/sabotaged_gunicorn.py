"""The repository's gunicorn configuration, with a saboteur in each worker."""

from runpy import run_path
from typing import Any

from tests.testbed.commands import ROOT

globals().update(run_path(str(ROOT / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from tests.torture import saboteur

    saboteur.let_in()
