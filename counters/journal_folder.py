"""The journals in a folder, of processes alive and gone: find, lock and read them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from counters.files import is_at
from counters.journal import DRAFT_SUFFIX, NAME_LENGTH, SUFFIX
from counters.locks import lock, unlock
from counters.reader import Contents, read_records, torn_begin
from counters.records import Header, JournalUnreadable, read_header

_DONE_SUFFIX = ".done"

is_name = re.compile(rf"[0-9a-f]{{{NAME_LENGTH}}}").fullmatch
"""Whether a journal may have that name."""


def journals(folder: Path) -> list[Path]:
    """Return all that is named `*.journal` in `folder`, in order of their names.

    Some of them may be no journals: `open_journal` says so.
    """
    return sorted(folder.glob(f"*{SUFFIX}"))


def name_drafts(folder: Path) -> None:
    """Give their names to journals whose processes died while they put them back.

    A draft may be all that is left of a journal. As far as it is copied, it counts.
    """
    for draft in folder.glob(f"*{DRAFT_SUFFIX}"):
        if not is_name(draft.stem):
            continue
        with suppress(OSError, JournalUnreadable), open_journal(draft) as file:
            fd = file.fileno()
            try:
                if lock(fd) and is_at(draft, fd):
                    os.link(draft, draft.with_suffix(SUFFIX))  # which fails where that exists
                    draft.unlink()
            finally:
                unlock(fd)


def done_journals(folder: Path) -> list[Path]:
    """Return the journals in `folder` that the version before had counted and not removed yet."""
    return [path for path in sorted(folder.glob(f"*{_DONE_SUFFIX}")) if _is_ours(path)]


def _is_ours(path: Path) -> bool:
    """Return whether a file has the name and the beginning of a journal."""
    try:
        with open_journal(path) as file:
            read_header(file)
    except (OSError, JournalUnreadable):
        return False
    return True


def open_journal(path: Path) -> BinaryIO:
    """Open a journal for reading.

    Raises:
        FileNotFoundError: there is no such file (any more).
        OSError: it cannot be opened.
        JournalUnreadable: it is not named as a journal is, or it is no regular file.
    """
    if not is_name(path.stem):
        raise JournalUnreadable(f"{str(path)!r} is named as no journal is")
    # O_NONBLOCK: opening a FIFO would wait for somebody who writes to it.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise JournalUnreadable(f"{path} is no regular file")
    return os.fdopen(fd, "rb")


@dataclass(frozen=True, slots=True)
class OpenJournal:
    """A journal opened for reading.

    Attributes:
        is_orphan: whether its process is gone. This process has locked it then, so that the file
            does not change.
    """

    path: Path
    file: BinaryIO
    is_orphan: bool

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def is_in_place(self) -> bool:
        """Whether it still has its name: nobody has retired it then."""
        return is_at(self.path, self.file.fileno())

    @property
    def size(self) -> int:
        """Length in bytes."""
        return os.fstat(self.file.fileno()).st_size

    def is_for(self, totals_ids: Collection[bytes]) -> bool:
        """Whether the journal may be counted into the totals that have these ids.

        Raises:
            JournalUnreadable: it is no journal, or it is of a newer version.
        """
        header = self._header()
        return header is None or header.is_for(totals_ids)

    def _header(self) -> Header | None:
        with self._named():
            self.file.seek(0)
            return read_header(self.file)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Have errors say which journal they are about."""
        try:
            yield
        except JournalUnreadable as error:
            raise JournalUnreadable(f"{self.path} {error}") from error
        except OSError as error:
            raise JournalUnreadable(f"{self.path} cannot be read: {error.strerror}") from error

    def read(self, position: int, progress: Callable[[int], object] | None = None) -> Contents:
        """Return what stands after `position`, up to where the file ends now.

        Of a living process's journal, that is what stands before the first record that is not
        whole. It may be being written just now; or it is damaged, and its process still knows
        what was in it.

        Raises:
            JournalUnreadable: it is no journal, or it is of a newer version.
        """
        size = self.size
        if self.is_orphan:
            return self.read_past_damage(position, size, progress)
        return self._read(position, size, past_damage=False, progress=progress)

    def read_portion(self, position: int, portion_bytes: int) -> Contents:
        """Return the whole records that follow `position`: as many as a portion holds, or one.

        Raises:
            JournalUnreadable: it is no journal, or it is of a newer version.
        """
        size = self.size
        while True:
            end = min(position + portion_bytes, size)
            contents = self._read(position, end, past_damage=False)
            if contents.increments or end >= size:
                return contents
            portion_bytes *= 2

    def read_past_damage(
        self, position: int, size: int, progress: Callable[[int], object] | None = None
    ) -> Contents:
        """Return what stood after `position` when the file had `size` bytes, past what is damaged.

        It ends before what looks like a record's beginning.

        A record of which only the beginning is there was not acknowledged, as far as this file
        knows: it is being written, or undone, just now. Or the file is a copy that was made in the
        middle of a write: the original, should it be flushed later, has the whole record, and the
        position must not stand in the middle of it.

        Raises:
            JournalUnreadable: it is no journal, or it is of a newer version.
        """
        contents = self._read(position, size, past_damage=True, progress=progress)
        if contents.damaged:
            begin, end = contents.damaged[-1]
            if end == size:
                with self._named():
                    contents.end = torn_begin(self.file, contents.header, begin, size)
        return contents

    def _read(
        self,
        position: int,
        end: int,
        *,
        past_damage: bool,
        progress: Callable[[int], object] | None = None,
    ) -> Contents:
        header = self._header()
        if header is None:  # its process died while it wrote that
            return Contents(self.file, Header(), position)
        with self._named():
            return read_records(
                self.file, header, position, end, past_damage=past_damage, progress=progress
            )


@contextmanager
def opened(path: Path) -> Iterator[OpenJournal]:
    """Open the journal at `path`, and lock it where its process is gone.

    Raises:
        FileNotFoundError: there is no such file (any more).
        OSError: it cannot be opened.
        JournalUnreadable: it is not named as a journal is, or it is no regular file.
    """
    with open_journal(path) as file:
        try:
            is_orphan = lock(file.fileno())
            if is_orphan and not is_at(path, file.fileno()):
                raise FileNotFoundError(path)
            yield OpenJournal(path, file, is_orphan)
        finally:
            unlock(file.fileno())
