"""`make fuzz`: coverage-guided fuzzing with Atheris, which is libFuzzer for Python.

Without an argument all targets run, one after the other, and share MINUTES. `python -m tests.fuzz
TARGET` runs one, with libFuzzer's options; if the last one is a file, only that input is tried.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import atheris

TARGETS = ("parsers", "journal", "lane")
FOUND = Path(".fuzz")
"""Inputs that reached new code, kept for the next run, and inputs that failed."""


def run_all(minutes: float) -> int:
    """Fuzz one target after the other; return how many failed."""
    options = [
        f"-max_total_time={round(minutes * 60 / len(TARGETS))}",
        "-timeout=10",
        "-verbosity=0",
        "-print_final_stats=1",
    ]
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    failed = 0
    # libFuzzer ends a process without removing its files: so the targets write into this folder.
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=memory) as folder:
        for target in TARGETS:
            print(f"\n{target}", flush=True)
            done = subprocess.run(
                [sys.executable, "-m", "tests.fuzz", target, *options],
                env=os.environ | {"TMPDIR": folder},
            )
            failed += done.returncode != 0
    return failed


def run(name: str, options: list[str]) -> None:
    """Fuzz one target; does not return."""
    with atheris.instrument_imports(include=["counters", "incrementer_site", "uvicorn.protocols"]):
        target = import_module(f"tests.fuzz.{name}")
    corpus = FOUND / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.SEEDS):
        (corpus / f"seed-{number}").write_bytes(seed)
    if not os.path.isfile(options[-1]):
        options = [*options, str(corpus)]
    atheris.Setup([sys.argv[0], f"-artifact_prefix={FOUND}/{name}-", *options], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(run_all(float(os.environ.get("MINUTES", "1"))))
    run(sys.argv[1], sys.argv[2:])
