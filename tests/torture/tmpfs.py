"""A small file system that can be filled up; making one needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def tmpfs(folder: Path, size: str) -> Iterator[None]:
    """Mount a tmpfs on `folder` during the block; `size` is as `mount` takes it, as in "4m".

    Raises:
        subprocess.CalledProcessError: it cannot be mounted; mount itself says why.
    """
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Fill the file system of `folder` up, and return the file that fills it."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        while True:
            try:
                file.write(bytes(4096))
            except OSError:
                return ballast
