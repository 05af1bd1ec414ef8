"""Runs in the service's processes. On orders, it kills them at named instants, or makes I/O fail.

An order is a file in the folder `TORTURE_ORDERS`.

- An order to kill at an instant: the first process that gets there removes the file, and kills
  those that it names, as kill(2) names them (-7 is the process group 7), but 0 is itself.
- An order to fork: the first process that writes to its journal removes the file, and forks.
- Every other order is obeyed as long as its file is there.

The product knows nothing of this: its functions are wrapped from outside.
`tests/torture/instants.py` says what the instants mean.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from counters import journal, resetting, totals
from counters.buffer import Buffer
from counters.increments import Increment
from counters.journal import Journal
from counters.recorder import recorder, stop_recorder

_orders = Path(os.environ["TORTURE_ORDERS"])


def let_in() -> None:
    """Wrap what the orders are about."""
    _strike(Journal, "append", after="write")
    Journal.append = _forking(Journal.append)  # type: ignore[method-assign]
    _strike(Buffer, "take", after="swap")
    _strike(totals, "move_position", after="transaction")
    _strike(Buffer, "flushed", before="commit")
    _strike(totals, "retire_position", before="flushed", after="retired")
    _strike(totals, "delete_totals", before="skipped", after="deleted")
    _strike(resetting, "reset", after="reset")
    vars(journal)["os"] = _FailingOs()
    time.time = _shifted(time.time)


def _strike(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
    """Wrap a function: a process may be ordered to die at the instant before or after it."""
    function: Callable[..., Any] = getattr(owner, name)

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if before:
            _die_if_ordered(before)
        result = function(*args, **kwargs)
        if after:
            _die_if_ordered(after)
        return result

    setattr(owner, name, wrapped)


def _die_if_ordered(instant: str) -> None:
    order = _orders / f"die-{instant}"
    try:
        whom = order.read_text()
        order.unlink()
    except FileNotFoundError:
        return
    for number in map(int, whom.split()):
        os.kill(number or os.getpid(), signal.SIGKILL)


def _forking(append: Callable[..., int]) -> Callable[..., int]:
    @wraps(append)
    def wrapped(*args: Any) -> int:
        begin = append(*args)
        try:
            ledger = Path((_orders / "fork").read_text())
            (_orders / "fork").unlink()
        except FileNotFoundError:
            return begin
        if not os.fork():
            _increment_in_child(ledger)
            os._exit(0)
        return begin

    return wrapped


def _increment_in_child(ledger: Path) -> None:
    """Record an increment of the child's own, write it down as the clients do, and end."""
    began = time.monotonic()
    recorder().record([Increment("of a child", 1)])
    ledger.write_text(json.dumps([began, time.monotonic(), 200, [("of a child", 1)]]) + "\n")
    recorder().flush()
    stop_recorder()


def _shifted(clock: Callable[[], float]) -> Callable[[], float]:
    def shifted() -> float:
        try:
            return clock() + float((_orders / "clock").read_text())
        except FileNotFoundError:
            return clock()

    return shifted


class _FailingOs:
    """What `counters.journal` gets in the place of the module `os`."""

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, fd: int, data: bytes) -> int:
        if self._is_ordered("write-eio"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        if self._is_ordered("write-short"):
            return os.write(fd, data[: len(data) // 2])
        return os.write(fd, data)

    def fdatasync(self, fd: int) -> None:
        if self._is_ordered("fdatasync-eio"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        size = os.fstat(fd).st_size
        os.fdatasync(fd)
        name = Path(os.readlink(f"/proc/self/fd/{fd}")).stem
        with (_orders / f"{name}.synced").open("a") as note:
            note.write(f"{size}\n")

    @staticmethod
    def _is_ordered(name: str) -> bool:
        return (_orders / name).exists()
