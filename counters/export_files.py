"""Where an export goes: a file that is there when it is whole, or a stream that takes what comes.

None of the service's own files is overwritten, nor any database or journal of another one.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any

from django.conf import settings
from django.db import Error

from counters import totals
from counters.config import config
from counters.exporting import NoTotal
from counters.failures import told
from counters.imported_rows import SQLITE_MAGIC
from counters.records import JOURNAL_MAGIC

_OF_SQLITE = "belongs to an SQLite database"
_MAGICS = {
    SQLITE_MAGIC: "is an SQLite database",
    b"\x37\x7f\x06\x82": _OF_SQLITE,  # a -wal
    b"\x37\x7f\x06\x83": _OF_SQLITE,  # another one
    (3007000).to_bytes(4, sys.byteorder): _OF_SQLITE,  # a -shm
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7": _OF_SQLITE,  # a -journal
    JOURNAL_MAGIC: "is a journal",
}
"""What files begin with that are not to be overwritten (https://www.sqlite.org/fileformat2.html)."""
_SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


class NotReplaced(ValueError):
    """A file must not be overwritten. The text says why."""


class NotWhole(Exception):
    """A stream took only a part, or nothing. The text is a sentence that says why."""


def is_stream(name: str) -> bool:
    """Return whether a file is there that is no regular one: a pipe, a device."""
    return os.path.exists(name) and not os.path.isfile(name)


def is_stdout(name: str) -> bool:
    """Return whether a name stands for what stdout is, such as "-" and "/dev/stdout"."""
    if name == "-":
        return True
    try:
        return sys.stdout is not None and os.path.samestat(
            os.stat(name), os.fstat(sys.stdout.fileno())
        )
    except OSError:
        return False


def write_to_stdout(blocks: Iterable[bytes]) -> None:
    """Write to stdout.

    Raises:
        NotWhole: it failed, by a BrokenPipeError where who reads has had enough.
    """
    if sys.stdout is None:
        raise NotWhole("stdout is closed.")
    with _naming("stdout"):
        try:
            for block in blocks:
                sys.stdout.buffer.write(block)
            sys.stdout.flush()
        except OSError:
            # What Python still holds for it must not be tried again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise


def write_stream(name: str, blocks: Iterable[bytes]) -> None:
    """Write to a pipe or a device.

    Raises:
        NotReplaced: it is the service's own.
        OSError: it cannot be opened.
        NotWhole: it failed, by a BrokenPipeError where who reads has had enough.
    """
    _refuse_own(name)
    with open(name, "wb", buffering=0) as target, _naming(name):
        for block in blocks:
            rest = memoryview(block)
            while rest:
                rest = rest[target.write(rest) :]


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Raise NotWhole for what fails in the context."""
    try:
        yield
    except OSError as error:
        raise NotWhole(f"{name}: {error.strerror}.") from error
    except NoTotal as error:
        raise NotWhole(f"{error}.") from error
    except Error as error:
        raise NotWhole(told(error, totals.connection())) from error


def write_file(name: str, blocks: Iterable[bytes]) -> None:
    """Write a file that is there when it is whole.

    Raises:
        NotReplaced: it is one that must not be overwritten.
        OSError: it cannot be written; it is as it was.
    """
    path = _refuse_own(name)
    draft = path.with_name(f"{path.name}.{token_hex(8)}.draft")
    with _ending_in_order():
        try:
            with draft.open("xb") as target:
                target.writelines(blocks)
                target.flush()
                os.fsync(target.fileno())
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)


def _refuse_own(name: str) -> Path:
    """Return the file itself that a name leads to, where it may be written."""
    path = Path(os.path.realpath(name))
    if reason := _why_kept(path):
        raise NotReplaced(f"{name} {reason}")
    return path


def _why_kept(path: Path) -> str:
    """Return why a file must not be written; empty where it may be."""
    own = totals.connection()
    if own.vendor == "sqlite":
        database = os.path.realpath(str(own.settings_dict["NAME"]))
        if any(_is_same(path, Path(f"{database}{suffix}")) for suffix in _SQLITE_SUFFIXES):
            return "is the database that the totals are kept in, or belongs to it"
    if _is_same(path.parent, config().journal_dir):
        return "is in JOURNAL_DIR"
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        begin = file.read(len(settings.SECRET_KEY) + 100)
    if begin.decode(errors="replace").strip() == settings.SECRET_KEY:
        return "holds the secret key"
    return next((reason for magic, reason in _MAGICS.items() if begin.startswith(magic)), "")


def _is_same(path: Path, other: Path) -> bool:
    try:
        return path == other or path.samefile(other)
    except OSError:
        return False


@contextmanager
def _ending_in_order() -> Iterator[None]:
    """Have SIGTERM be an exception, so that what is under way is tidied up."""

    def end(number: int, frame: Any) -> None:
        sys.exit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
