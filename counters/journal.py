"""The journal of this process: a file to which it appends what it accepts. It knows no Django.

The process holds an flock on its journal. The kernel drops that lock when the process is gone,
however it went. So a journal that somebody else can lock is nobody's, and may be recovered.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from errno import EAGAIN
from pathlib import Path
from typing import BinaryIO

from counters.files import is_at, make_folder, sync_folder
from counters.locks import lock, unlock
from counters.records import ANY_TOTALS, Header, record

SUFFIX = ".journal"
DRAFT_SUFFIX = ".draft"
"""Of a journal that is being put back."""
NAME_LENGTH = 32

_COPY_BYTES = 1024 * 1024


class JournalUnwritable(OSError):
    """The journal could not take a record, and holds nothing of it. The text says why."""


class JournalFull(JournalUnwritable):
    """As much waits to be flushed as may.

    Attributes:
        limit_bytes: how much that is.
    """

    def __init__(self, limit_bytes: int, others_bytes: int) -> None:
        """Say so.

        Args:
            others_bytes: what counts against the limit beside the process's own journal.
        """
        others = ", with those of processes that are gone" if others_bytes else ""
        super().__init__(f"{limit_bytes} bytes of journals wait to be flushed{others}")
        self.limit_bytes = limit_bytes


class Journal:
    """A journal that this process has made and appends to.

    Appending is for one thread at a time; `sync` may run beside it.

    Attributes:
        name: `NAME_LENGTH` hexadecimal digits, never used twice.
        path: where the file is.
        header: what the file begins with.
        end: how many bytes are written; the next record begins there.
        synced: how many bytes are known to be on the disk.
        trouble: why nothing more can be appended, ever; empty while that is not so.
        missing: why the file is not at its path, whole, and could not be put back; empty while it
            is.
    """

    def __init__(
        self,
        folder: Path,
        max_unflushed_bytes: int,
        totals_id: bytes = ANY_TOTALS,
        others_bytes: int = 0,
    ) -> None:
        """Make a new journal in `folder`, for the totals that have this id.

        Args:
            others_bytes: as in `leave_room_for`.

        Raises:
            JournalUnwritable: the file cannot be made or written.
        """
        self.header = Header(totals_id)
        self.end = self.synced = self._flushed = 0
        self.trouble = self.missing = ""
        self._sync_failed = False
        self._max_unflushed_bytes = max_unflushed_bytes
        self.leave_room_for(others_bytes)
        try:
            make_folder(folder)
            self._create(folder)
        except OSError as error:
            raise JournalUnwritable(f"none can be made: {error.strerror or error}") from error

    def _create(self, folder: Path) -> None:
        while True:
            self.name = uuid.uuid4().hex
            self.path = folder / (self.name + SUFFIX)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self.fd = os.open(self.path, flags, 0o600)
            if lock(self.fd) and is_at(self.path, self.fd):
                break
            unlock(self.fd)
            os.close(self.fd)  # a recovery took the new file for a dead process's: make another
        try:
            self._write(self.header.encode())
            sync_folder(folder)
        except OSError:
            self.path.unlink()
            self.close()
            raise

    @property
    def refusal(self) -> str:
        """Why a record would be refused just now; empty where it would not."""
        if self.trouble or self.missing:
            return self.trouble or self.missing
        return str(self._full()) if self.is_full else ""

    def _full(self) -> JournalFull:
        return JournalFull(self._max_unflushed_bytes, self._others_bytes)

    @property
    def is_full(self) -> bool:
        """Whether a record would be refused for no other reason than what no flush has taken."""
        return self.end > self._last_begin and not self.trouble and not self.missing

    def append(self, parts: Sequence[bytes]) -> int:
        """Write the record of sections, given as their parts; return where it begins.

        It is written whole or not at all.

        Raises:
            JournalFull: no flush has taken what is written.
            JournalUnwritable: the journal is in trouble, or the disk is full or failed.
        """
        if self.trouble or self.missing:
            raise JournalUnwritable(self.refusal)
        begin = self.end
        if begin > self._last_begin:
            raise self._full()
        self._write(record(self.header.mark, parts))
        return begin

    def _write(self, data: bytes) -> None:
        try:
            written = os.write(self.fd, data)
        except OSError as error:
            self._undo()
            raise JournalUnwritable(error.strerror or str(error)) from error
        if written != len(data):
            self._undo()
            raise JournalUnwritable("the disk is full")
        self.end += written

    def _undo(self) -> None:
        try:
            os.ftruncate(self.fd, self.end)
        except OSError:
            self.trouble = "it has failed; a new one is to take its place"

    def bind(self, totals_id: bytes) -> None:
        """Write into the header for which totals the file is, now that this is known.

        The header is there twice, and one copy is on the disk before the other is touched: so one
        is whole at any moment.

        Raises:
            OSError: it cannot be written. Then the file is still for any totals.
        """
        header = Header(totals_id, self.header.mark)
        copies = header.encode()
        half = len(copies) // 2
        fd = os.open(f"/proc/self/fd/{self.fd}", os.O_WRONLY | os.O_CLOEXEC)  # without O_APPEND
        try:
            for begin in (0, half):
                os.pwrite(fd, copies[begin : begin + half], begin)
                os.fdatasync(fd)
        finally:
            os.close(fd)
        self.header = header

    @property
    def is_in_place(self) -> bool:
        """Whether the file is at its path, where a recovery would find it, and is not cut."""
        return is_at(self.path, self.fd) and not self.lacking_bytes

    @property
    def lacking_bytes(self) -> int:
        """How much shorter the file is than what was written: somebody has emptied or cut it."""
        end = self.end  # read first: meanwhile somebody may append
        return max(0, end - os.fstat(self.fd).st_size)

    def put_back(self) -> None:
        """Make the file anew at its path: somebody has moved, replaced, removed or cut it.

        It gets all that it held, and it keeps its name: so its position stays what it was. What was
        cut off is a hole, so that what comes after stands where it would. Not to be called while
        others append or sync.

        Raises:
            OSError: it cannot be made.
        """
        try:
            make_folder(self.path.parent)
            draft = self.path.with_suffix(DRAFT_SUFFIX)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC
            fd = os.open(draft, flags, 0o600)
            try:
                if not lock(fd):
                    raise BlockingIOError(EAGAIN, "somebody else has locked its draft")
                self._copy_to(fd)
                os.fsync(fd)
                draft.rename(self.path)
                sync_folder(self.path.parent)
            except OSError:
                unlock(fd)
                os.close(fd)
                raise
        except OSError as error:
            self.missing = f"its file was removed or cut, and cannot be put back: {error.strerror}"
            raise
        self.close()
        self.fd, self.synced, self.missing = fd, self.end, ""

    def _copy_to(self, fd: int) -> None:
        """Write to an empty file what there is of this one, as long as this one was."""
        begin, end = self.header.size, os.fstat(self.fd).st_size
        os.write(fd, self.header.encode())
        if end < self.end and os.pread(self.fd, len(self.header.mark), 0) == self.header.mark:
            # It was emptied, and begins with a record: all that it holds was appended since.
            begin = 0
            os.ftruncate(fd, self.end - end)
        while begin < end:
            data = os.pread(self.fd, min(_COPY_BYTES, end - begin), begin)
            begin += os.write(fd, data)
        os.ftruncate(fd, self.end)

    def sync(self) -> None:
        """Force to the disk all that was written when this was called.

        After a failure nobody knows what the disk holds, and another try may report success for
        data that is gone (https://wiki.postgresql.org/wiki/Fsync_Errors). So the first failure is
        final: `synced` stays where it is, and nothing more is appended.

        Raises:
            OSError: it failed.
        """
        end = self.end
        if self.synced == end or self._sync_failed:
            return
        try:
            os.fdatasync(self.fd)
        except OSError:
            self._sync_failed = True
            self.trouble = "it could not be forced to disk"
            raise
        self.synced = end

    def flushed(self, end: int) -> None:
        """Note that the bytes up to `end` are in the totals, so that the journal may grow on."""
        self._flushed = end
        self.leave_room_for(self._others_bytes)

    def leave_room_for(self, others_bytes: int) -> None:
        """Have so many bytes of other journals count against this one's limit, too."""
        self._others_bytes = others_bytes
        # Where the last record may begin:
        self._last_begin = self._flushed + self._max_unflushed_bytes - others_bytes

    def open(self) -> BinaryIO:
        """Open the file for reading, wherever it is by now.

        Not with `dup`: the copy would share its place in the file with `fd`, and each append moves
        that to the end.
        """
        return open(f"/proc/self/fd/{self.fd}", "rb")

    def close(self) -> None:
        """Let go of the file, and so of its lock: from now on anyone may recover it."""
        unlock(self.fd)
        os.close(self.fd)
