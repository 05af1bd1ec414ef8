"""Locks on files: a look at one is never taken for an owner."""

from __future__ import annotations

import os
from pathlib import Path
from threading import Event, Thread

from counters.locks import is_owned, lock, unlock


def test_who_looks_keeps_nobody_from_locking(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    done = Event()

    def look() -> None:
        fd = os.open(path, os.O_RDONLY)
        while not done.is_set():
            is_owned(fd)
        os.close(fd)

    lookers = [Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(500):
            fd = os.open(path, os.O_RDONLY)
            assert lock(fd)
            unlock(fd)
            os.close(fd)
    finally:
        done.set()
        for looker in lookers:
            looker.join()


def test_an_owned_file_is_owned_for_everyone_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    owner, other = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
    assert not is_owned(other)
    assert lock(owner)
    assert is_owned(other)
    assert not lock(other)
    unlock(owner)
    assert lock(other)
    for fd in owner, other:
        unlock(fd)
        os.close(fd)
