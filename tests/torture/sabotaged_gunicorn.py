"""The repository's gunicorn configuration, with a saboteur let into each worker."""

from pathlib import Path
from runpy import run_path
from typing import Any

globals().update(run_path(str(Path(__file__).parent.parent.parent / "gunicorn.conf.py")))


def post_worker_init(worker: Any) -> None:
    from tests.torture import saboteur

    saboteur.let_in()
