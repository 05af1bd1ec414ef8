"""Files and folders that have to be there after a power cut."""

from __future__ import annotations

import os
from pathlib import Path


def is_at(path: Path, fd: int) -> bool:
    """Return whether the open file `fd` is the one at `path`: it may have been moved or removed."""
    try:
        found = path.stat()
    except OSError:  # a folder above it may be a file now, or closed to this user
        return False
    return os.path.samestat(found, os.fstat(fd))


def make_folder(folder: Path) -> None:
    """Make the folder of the journals where it is not there yet.

    Raises:
        OSError: it cannot be made.
    """
    if folder.is_dir():
        return
    missing = [folder, *(parent for parent in folder.parents if not parent.exists())]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_folder(made.parent)


def sync_folder(folder: Path) -> None:
    """Have what was made, renamed and removed in `folder` outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
