"""Inside the server's processes: makes named instants deadly and I/O fail, on orders.

An order is a file in the folder `TORTURE_ORDERS`. An order to kill at an instant is carried out by
the first process that gets there, which removes the file; the others hold as long as the file is
there. It says whom to kill, as kill(2) does (-7 is the process group 7), but 0 is the process
itself. The product knows nothing of this: its functions are wrapped from outside.
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

from counters import journal, recovery, totals
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
    _strike(recovery, "reset", after="reset")
    vars(journal)["os"] = _FailingOs()
    time.time = _shifted(time.time)


def _strike(owner: Any, name: str, *, before: str = "", after: str = "") -> None:
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


def _forking(append: Callable[..., None]) -> Callable[..., None]:
    @wraps(append)
    def wrapped(*args: Any) -> None:
        append(*args)
        try:
            ledger = Path((_orders / "fork").read_text())
            (_orders / "fork").unlink()
        except FileNotFoundError:
            return
        if not os.fork():
            _increment_in_child(ledger)
            os._exit(0)

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
    """What the journal takes for the module `os`."""

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
        with (_orders / f"{name}.synced").open("a") as record:
            record.write(f"{size}\n")

    @staticmethod
    def _is_ordered(name: str) -> bool:
        return (_orders / name).exists()
