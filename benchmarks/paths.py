"""Where files are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
RIVALS = HERE / "rivals"
"""The servers written for these measurements only."""


@contextmanager
def new_folder() -> Iterator[Path]:
    """Make a folder on a disk (/tmp may be in memory), and remove it after the block."""
    with tempfile.TemporaryDirectory(prefix="incrementer-bench-", dir="/var/tmp") as folder:
        yield Path(folder)
