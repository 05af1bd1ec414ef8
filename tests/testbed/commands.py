"""The commands that run the service, in each of the ways to run it; and how to run a command.

`{port}` in a command stands for the port.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
"""The repository, where the commands are run."""

GUNICORN = (sys.executable, "-m", "gunicorn")
SERVE = (sys.executable, "-m", "incrementer_site")
PRELOAD = (*GUNICORN, "--preload")
PLAIN_ASGI = (*GUNICORN, "--worker-class", "tests.testbed.configs.plain_worker.PlainWorker")
"""The service without the lane: all goes through uvicorn's own protocol to asgi.py."""
WSGI = (*GUNICORN, "--worker-class", "gthread", "incrementer_site.wsgi:application")
THREADED_WSGI = (
    *(*GUNICORN, "--config", "python:tests.testbed.configs.gthread"),
    *("--bind", "127.0.0.1:{port}", "incrementer_site.wsgi:application"),
)
"""It does not use the repository's own configuration of gunicorn."""

IMPATIENT_OPTIONS = ("--config", "tests/testbed/configs/impatient.py")
IMPATIENT = (*GUNICORN, *IMPATIENT_OPTIONS)
IMPATIENT_SECONDS = 3
"""How long an impatient worker waits for a request to arrive, and for a flush to end."""
IMPATIENT_CONNECTIONS = 1200
"""The connections that an impatient worker serves at once."""
STALLED = (*GUNICORN, "--config", "tests/testbed/configs/stalled.py")

MANAGE = (sys.executable, "manage.py")
RUNSERVER = (*MANAGE, "runserver", "--noreload", "{port}")


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    cwd: Path = ROOT,
    code: int = 0,
    stdin: str = "",
    timeout_seconds: float = 120,
) -> str:
    """Run a command to its end, and return all that it writes to stdout and stderr.

    Raises:
        AssertionError: its exit code is not `code`.
        subprocess.TimeoutExpired: it did not end in time; it has been killed.
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
    )
    said = done.stdout
    assert done.returncode == code, f"{' '.join(command)} ended with {done.returncode}: {said}"
    return said


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a command during the block; if it still runs at the block's end, it is killed.

    Its stdin and stdout are pipes. What it writes to stderr goes to stdout.
    """
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()
