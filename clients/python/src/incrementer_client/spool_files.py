"""The files of a spool: how they are written, found again, and measured."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Lock

from incrementer_client.batch import Batch
from incrementer_client.owned_folder import sync_folder

_NAME = re.compile(r"([0-9a-f-]{36})\.(\d+)\.(waiting|sent)")
_DRAFT = ".draft"
_BLOCK_BYTES = 4096
"""The least that a file takes on disk."""
_MEASURE_SECONDS = 1
"""How long what other processes have in the spool is taken to be the same."""


def write_whole(path: Path, body: bytes) -> None:
    draft = path.with_name(path.name + _DRAFT)
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(fd, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(fd)
        draft.rename(path)
        sync_folder(path.parent)
    except OSError:
        # It may be there under its name, and its increments are counted as not kept: away with it.
        for each in (draft, path):
            with suppress(OSError):
                each.unlink()
        raise


def find_batches(folder: Path) -> Iterator[Batch]:
    """Yield the batches in the folder of a process that is gone, and remove its drafts."""
    for path in folder.iterdir():
        if match := _NAME.fullmatch(path.name):
            id_ = match[1] if match[3] == "sent" else None
            yield Batch(b"", int(match[2]), id_, path)
        elif path.name.endswith(_DRAFT):
            with suppress(OSError):
                path.unlink()


class Used:
    """What a whole spool takes on disk, of all processes, as of a second ago."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = 0
        self._measured_at = -float(_MEASURE_SECONDS)
        self._changing = Lock()

    def bytes(self) -> int:
        now = time.monotonic()
        with self._changing:
            if now - self._measured_at >= _MEASURE_SECONDS:
                self._bytes = sum(map(bytes_on_disk, _sizes(self._path)))
                self._measured_at = now
            return self._bytes

    def add(self, size: int) -> None:
        """Say what this process has just written; where it is negative, removed."""
        with self._changing:
            self._bytes += size


def _sizes(path: Path) -> Iterator[int]:
    with suppress(OSError):
        for folder in os.scandir(path):
            with suppress(OSError):  # its owner is gone
                for file in os.scandir(folder.path) if folder.is_dir() else ():
                    with suppress(OSError):  # its batch is done
                        yield file.stat().st_size


def bytes_on_disk(size: int) -> int:
    """Return how many bytes a file of this size takes on disk, more or less."""
    return -(-size // _BLOCK_BYTES) * _BLOCK_BYTES
