"""Bells: by its bell, each process can be told to flush at once, by others of the same user.

A bell is a named pipe, which needs no port.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from counters.locks import close, keep_from_children
from counters.temporary_folder import temporary_folder

_SUFFIX, _DRAFT_SUFFIX = ".bell", ".bell.draft"
_PIPE_BYTES = 65536


class Bell:
    """The bell of this process. One thread waits for it.

    Where there can be no named pipe, only this process can ring it.
    """

    def __init__(self, journals: Path) -> None:
        """
        Args:
            journals: the folder of the journals that are flushed when it rings.
        """
        self._journals = journals
        self._open()

    def _open(self) -> None:
        self._path: Path | None = None
        try:
            self._path = temporary_folder(self._journals) / (token_hex(8) + _SUFFIX)
            self._reads = self._writes = _named_pipe(self._path)
        except OSError:
            self._reads, self._writes = os.pipe()
            os.set_blocking(self._writes, False)
        for fd in {self._reads, self._writes}:
            keep_from_children(fd)
        for _ in _living(self._journals):  # which removes the others: processes may be killed often
            pass

    def wait(self, timeout_seconds: float) -> None:
        """Return once it has rung, at the latest after so many seconds."""
        if select.select([self._reads], [], [], timeout_seconds)[0]:
            os.read(self._reads, _PIPE_BYTES)

    def ring(self) -> None:
        _ring(self._writes)

    def renew(self) -> None:
        """Keep those who clean up old temporary files from removing it; or make it anew."""
        try:
            if self._path is not None:
                os.utime(self._path)
        except OSError:
            self.close()
            self._open()

    def close(self) -> None:
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        for fd in {self._reads, self._writes}:
            close(fd)


def ring_all(journals: Path) -> int:
    """Ring the bells of all processes that count in a folder; return how many there are."""
    return sum(_ring(fd) for fd in _living(journals))


def _named_pipe(path: Path) -> int:
    draft = path.with_suffix(_DRAFT_SUFFIX)
    os.mkfifo(draft, 0o600)
    try:
        # For writing, too: otherwise it would be at its end whenever nobody rings.
        fd = os.open(draft, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        # It gets its name now that it is heard: others remove those that nobody hears.
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return fd


def _living(journals: Path) -> Iterator[int]:
    """Open each bell that somebody hears, for writing; remove those of processes that are gone."""
    with suppress(OSError):
        for path in temporary_folder(journals).glob(f"*{_SUFFIX}"):
            try:
                fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            except OSError as error:
                if error.errno == errno.ENXIO:  # nobody hears it
                    path.unlink(missing_ok=True)
                continue
            try:
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
