"""The journal: a process's append-only file of accepted increments. It knows no Django.

A file is `HEADER` and then records. A record is its payload's length and CRC-32 (both unsigned
32-bit; all numbers are little-endian) and the payload: `INCREMENTS` and, for each of them, its
value (signed 64-bit), its key's length in bytes (unsigned 16-bit) and its key in UTF-8; or `BATCH`
and a JSON list of increments, as it was received.

A process owns its journal by an flock, which the kernel drops when the process is gone, however it
went. A journal that can be locked therefore is nobody's, and whoever locks it may recover it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from struct import Struct
from struct import error as StructError  # noqa: N812
from typing import BinaryIO
from zlib import crc32

import msgspec

from counters.parsing import parse_batch

MAGIC = b"incrementer journal "
HEADER = MAGIC + b"1\n"
SUFFIX = ".journal"
NAME_LENGTH = 32
DONE_SUFFIX = ".done"

_frame = Struct("<II")
_entry = Struct("<qH")
INCREMENTS, BATCH = b"I", b"B"
_READ_SIZE = 1024 * 1024


class JournalUnwritable(OSError):
    """An increment could not be written; nothing of it is in the journal. The text says why."""


class JournalUnreadable(ValueError):
    """A file is no journal, or one of a format that this version does not know."""


def record_of_increments(increments: Iterable[tuple[str, int]]) -> bytes:
    """Return the one record of all `increments`, each a key and a value.

    With one for each, a write that the disk cut short would leave some whole. Before they are
    undone, another process could count them and move the position past them: over the next ones.
    """
    parts = [INCREMENTS]
    for key, value in increments:
        name = key.encode()
        parts += (_entry.pack(value, len(name)), name)
    return _record(b"".join(parts))


def record_of_batch(body: bytes) -> bytes:
    """Return the record of a JSON list of increments."""
    return _record(BATCH + body)


def _record(payload: bytes) -> bytes:
    return _frame.pack(len(payload), crc32(payload)) + payload


class Journal:
    """The journal of this process, open for appending.

    Attributes:
        name: `NAME_LENGTH` hexadecimal digits, never used twice.
        end: bytes written; the next record begins there.
        limit: an `end` past which nothing is appended.
        synced: bytes known to be on disk.
        broken: whether a write that failed could not be undone, or a sync failed, so that nothing
            more may be appended.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        """Make a new journal in `folder`.

        Raises:
            JournalUnwritable: the file cannot be made or written.
        """
        self.broken = False
        self.limit = limit
        self.synced = 0
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
            fcntl.flock(self.fd, fcntl.LOCK_EX)
            if _is_at(self.path, self.fd):  # a recovery may have been quicker: then make another
                break
            os.close(self.fd)
        self.end = 0
        try:
            self.append(HEADER)
            sync_folder(folder)
        except OSError:
            self.path.unlink()
            self.close()
            raise

    def append(self, record: bytes) -> None:
        """Write `record`, whole or not at all.

        Raises:
            JournalUnwritable: the disk is full or failed.
        """
        if self.broken:
            raise JournalUnwritable("it has failed; a new one is to take its place")
        if self.end > self.limit:
            raise JournalUnwritable("it is full of increments that no flush has taken")
        try:
            written = os.write(self.fd, record)
        except OSError as error:
            self._undo()
            raise JournalUnwritable(error.strerror) from error
        if written != len(record):
            self._undo()
            raise JournalUnwritable("the disk is full")
        self.end += written

    def _undo(self) -> None:
        try:
            os.ftruncate(self.fd, self.end)
        except OSError:
            self.broken = True

    def sync(self) -> None:
        """Force what was written to disk (fdatasync).

        Raises:
            OSError: it failed; what is on disk after the last good sync is unknown from then on.
        """
        os.fdatasync(self.fd)

    def close(self) -> None:
        """Let go of the file, and so of its lock: from now on anyone may recover it."""
        os.close(self.fd)


@dataclass(slots=True)
class Tail:
    """What a journal holds after a position."""

    end: int
    """Where its last whole record ends, in bytes."""
    deltas: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    increments: int = 0
    rest: int = 0
    """Bytes after `end`: of a record being written, or torn, or corrupt."""


def read_tail(
    path: Path,
    position: int,
    end: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Tail:
    """Return what the journal at `path` holds from `position` to `end` or its last whole record.

    `progress` is called with a number of bytes each time so many have been read.

    Raises:
        FileNotFoundError: there is no such journal (any more).
        JournalUnreadable: the file is no journal that this version can read.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size if end is None else end
        header = file.read(len(HEADER))
        if header != HEADER:
            if HEADER.startswith(header):  # its process died while making it
                return Tail(end=position, rest=len(header))
            if header.startswith(MAGIC):
                raise JournalUnreadable(f"{path} was written by a newer version")
            raise JournalUnreadable(f"{path} is not a journal")
        tail = Tail(end=max(position, len(HEADER)))
        file.seek(tail.end)
        for payload in _payloads(file, size - tail.end):
            try:
                _add(tail, payload)
            except (StructError, UnicodeDecodeError, msgspec.DecodeError):
                break  # the checksum is right, and yet it is no record
            tail.end += _frame.size + len(payload)
            if progress:
                progress(_frame.size + len(payload))
        tail.rest = max(0, size - tail.end)
    return tail


def _payloads(file: BinaryIO, size: int) -> Iterator[bytes]:
    """Yield the payloads of the whole records at the beginning of the next `size` bytes."""
    data, at = b"", 0
    while True:
        whole = at + _frame.size
        if whole <= len(data):
            length, checksum = _frame.unpack_from(data, at)
            whole += length
        if whole > len(data):
            missing = whole - len(data)
            if missing > size:
                return
            more = file.read(min(max(missing, _READ_SIZE), size))
            if not more:
                return
            size -= len(more)
            data, at = data[at:] + more, 0
            continue
        payload = data[at + _frame.size : whole]
        # A length of 0 is what a power cut leaves of a record: a run of zero bytes.
        if not length or crc32(payload) != checksum:
            return
        yield payload
        at = whole


def _add(tail: Tail, payload: bytes) -> None:
    kind, content = payload[:1], payload[1:]
    if kind == INCREMENTS:
        increments = _unpack(content)
    elif kind == BATCH:
        increments = [(each.key, each.value) for each in parse_batch(content)]
    else:
        raise StructError(f"there is no kind {kind!r}")
    for key, value in increments:
        tail.deltas[key] += value
    tail.increments += len(increments)


def _unpack(entries: bytes) -> list[tuple[str, int]]:
    increments, at = [], 0
    while at < len(entries):
        value, length = _entry.unpack_from(entries, at)
        at += _entry.size + length
        if at > len(entries):
            raise StructError("the last key is cut off")
        increments.append((entries[at - length : at].decode(), value))
    return increments


def journals(folder: Path, suffix: str = SUFFIX) -> list[Path]:
    """Return the journals in `folder`, of processes alive and gone, in order of their names."""
    return sorted(folder.glob(f"*{suffix}"))


def _is_at(path: Path, fd: int) -> bool:
    """Return whether an open file still has its name: it may have been renamed or removed."""
    try:
        return os.path.samestat(path.stat(), os.fstat(fd))
    except FileNotFoundError:
        return False


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Lock a journal whose process is gone; yield False if the process lives or the file went."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield _is_at(path, fd)
    finally:
        os.close(fd)


def copy_rest(path: Path, position: int) -> Path:
    """Copy what stands after `position` to a `.corrupt` file, and return its path."""
    copy = path.with_suffix(".corrupt")
    with path.open("rb") as source, copy.open("wb") as target:
        source.seek(position)
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    return copy


def mark_done(path: Path) -> Path:
    """Rename a journal that is in the totals, so that none reads it again."""
    done = path.with_suffix(DONE_SUFFIX)
    with suppress(FileNotFoundError):
        path.rename(done)
    return done


def make_folder(folder: Path) -> None:
    """Make the folder of the journals where it is not there yet.

    Raises:
        OSError: it cannot be made.
    """
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)  # which may be closed to us, where others made the folder


def sync_folder(folder: Path) -> None:
    """Have what was made, renamed and removed in `folder` outlive a power cut."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
