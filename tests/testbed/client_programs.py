"""Programs that count with the client, in processes of their own."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.testbed.commands import ROOT, run
from tests.testbed.process_group import ProcessGroup

SOURCE = ROOT / "clients/python/src"
_BEGINNING = "import os, signal, sys, threading, time\nfrom incrementer_client import Counter\n"


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(SOURCE)}


def run_client(code: str, **names: object) -> str:
    """Run a program to its end and return all that it writes; `names` are its variables.

    Raises:
        AssertionError: it ends with another code than 0.
    """
    return run(_command(code, names), _environment(), timeout_seconds=60)


def client_process(folder: Path, code: str, **names: object) -> ProcessGroup:
    """Return a program, to be started."""
    return ProcessGroup(
        _command(code, names), cwd=ROOT, environment=_environment(), log_file=folder / "client.log"
    )


def _command(code: str, names: dict[str, object]) -> list[str]:
    variables = "".join(f"{name} = {value!r}\n" for name, value in names.items())
    return [sys.executable, "-u", "-c", _BEGINNING + variables + code]
