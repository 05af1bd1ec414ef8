"""Bells: by its bell, each process can be told to flush at once, by any process of the machine.

A bell is a named pipe in the journals' folder. It needs no port and no short path, and whoever may
write the journals may ring it, and nobody else.
"""

from __future__ import annotations

import errno
import os
import select
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from counters.files import make_folder
from counters.locks import close, keep_from_children

_SUFFIX, _DRAFT_SUFFIX = ".bell", ".bell.draft"
_PIPE_BYTES = 65536


class Bell:
    """The bell of this process. One thread waits for it.

    Where there can be no named pipe, only this process can ring it.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / (token_hex(8) + _SUFFIX)
        try:
            self._reads = self._writes = self._named_pipe()
        except OSError:
            self._reads, self._writes = os.pipe()
            os.set_blocking(self._writes, False)
        for fd in {self._reads, self._writes}:
            keep_from_children(fd)
        for _ in _living(folder):  # which removes the others: processes may be killed often
            pass

    def _named_pipe(self) -> int:
        make_folder(self._path.parent)
        draft = self._path.with_suffix(_DRAFT_SUFFIX)
        os.mkfifo(draft, 0o600)
        try:
            # For writing, too: otherwise it would be at its end whenever nobody rings.
            fd = os.open(draft, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            # It gets its name now that it is heard: others remove those that nobody hears.
            draft.rename(self._path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return fd

    def wait(self, timeout_seconds: float) -> None:
        """Return once it has rung, at the latest after so many seconds."""
        if select.select([self._reads], [], [], timeout_seconds)[0]:
            os.read(self._reads, _PIPE_BYTES)

    def ring(self) -> None:
        _ring(self._writes)

    def close(self) -> None:
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        for fd in {self._reads, self._writes}:
            close(fd)


def ring_all(folder: Path) -> int:
    """Ring the bells of all processes that count in this folder; return how many there are."""
    return sum(_ring(fd) for fd in _living(folder))


def _living(folder: Path) -> Iterator[int]:
    """Open each bell that somebody hears, for writing; remove those of processes that are gone."""
    for path in folder.glob(f"*{_SUFFIX}"):
        try:
            fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno == errno.ENXIO:  # nobody hears it
                path.unlink(missing_ok=True)
            continue
        try:
            if stat.S_ISFIFO(os.fstat(fd).st_mode):
                yield fd
        finally:
            os.close(fd)


def _ring(fd: int) -> bool:
    try:
        os.write(fd, b".")
    except BlockingIOError:
        return True  # it has rung so often that no more goes in
    except BrokenPipeError:
        return False  # its process has just gone
    return True
