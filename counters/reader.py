"""Reading a part of a journal: record after record, and past what is damaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Set
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from isal.isal_zlib import crc32

from counters.identified import Copy
from counters.record_content import Content, Damaged, Pairs, decode_content
from counters.records import Header, read_record_head, record_head_bytes

_SEARCH_BYTES = 1024 * 1024
"""How much of a file is searched for the next record at a time."""


@dataclass(slots=True)
class Contents:
    """What a part of a journal holds."""

    file: BinaryIO
    """The journal; to be open as long as something may be taken back."""
    header: Header
    end: int
    """Where the part ends, in bytes from the file's beginning."""
    deltas: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The sum for each key; of requests with the same id, the first is in it."""
    identified: dict[str, Copy] = field(default_factory=dict)
    """Where these stand, by their ids."""
    reused: list[str] = field(default_factory=list)
    """The ids with which others came later that had another body: these do not count."""
    increments: int = 0
    """How many there are, with all that have ids."""
    damaged: list[tuple[int, int]] = field(default_factory=list)
    """Begin and end of each range of bytes that belongs to no whole record."""
    unreadable: list[str] = field(default_factory=list)
    """The ids of requests that `without` should have left out, and could not."""

    def add(self, content: Content, begin: int) -> None:
        """Add what the record says that begins there."""
        self._add(content.pairs)
        self.increments += len(content.pairs)
        for once in content.identified:
            self.increments += len(once.pairs)
            copy = Copy(once.fingerprint, begin)
            first = self.identified.setdefault(once.id, copy)
            if first is copy:
                self._add(once.pairs)
            elif first.fingerprint != once.fingerprint:
                self.reused.append(once.id)

    def _add(self, pairs: Pairs) -> None:
        for key, value in pairs:
            self.deltas[key] += value

    def without(self, ids: Set[str]) -> Contents:
        """Return it without the requests that have these ids. Their records are read once more.

        A key whose delta comes to 0 by that is left out: a total that was reset since, and that
        nothing else is added to, does not come back. Where a record has been damaged since it was
        written, its requests stay in the deltas, and their ids are `unreadable`.
        """
        if not ids:
            return self
        deltas, left = self.deltas.copy(), set(ids)
        for begin in sorted({self.identified[id_].begin for id_ in ids}):
            found = _record_at(self.file, self.header, begin, self.end)
            for id_, _, pairs in found[1].identified if found else []:
                if id_ not in left:
                    continue
                left.remove(id_)
                for key, value in pairs:
                    deltas[key] -= value
                    if not deltas[key]:
                        del deltas[key]
        return replace(
            self,
            deltas=deltas,
            identified={id_: copy for id_, copy in self.identified.items() if id_ not in ids},
            unreadable=[*self.unreadable, *left],
        )


def read_records(
    file: BinaryIO,
    header: Header,
    start: int,
    end: int,
    *,
    past_damage: bool,
    progress: Callable[[int], object] | None = None,
) -> Contents:
    """Return what stands from `start` to `end`.

    Args:
        past_damage: whether to go on after what is no whole record. Otherwise `Contents.end` is
            where the first such thing begins: it may be a record that is being written just now.
        progress: is called with a number of bytes each time that so many have been read.

    Raises:
        JournalUnreadable: there are sections of a newer version. Nothing of the part may count.
    """
    at = max(start, header.size)
    contents = Contents(file, header, at)
    while at < end:
        found = _record_at(file, header, at, end)
        if found is None:
            if not past_damage:
                return contents
            at = _find(file, header.mark, at + 1, end)
            continue
        if contents.end < at:
            contents.damaged.append((contents.end, at))
        length, content = found
        contents.add(content, at)
        at += length
        contents.end = at
        if progress:
            progress(length)
    if contents.end < end:
        contents.damaged.append((contents.end, end))
        contents.end = end
    return contents


def torn_begin(file: BinaryIO, header: Header, begin: int, end: int) -> int:
    """Return where, from `begin` to `end`, a record begins that goes on beyond; `end` if none does.

    To be asked of a range that holds no whole record. What is damaged may stand before it.
    """
    at = begin
    while at < end and not _is_torn(file, header, at, end):
        at = _find(file, header.mark, at + 1, end)
    if at < end:
        return at
    file.seek(max(begin, end - len(header.mark) + 1))
    tail = file.read(end - file.tell())
    for at in range(len(tail)):  # the mark itself may be torn
        if header.mark.startswith(tail[at:]):
            return end - len(tail) + at
    return end


def _is_torn(file: BinaryIO, header: Header, at: int, end: int) -> bool:
    """Return whether the bytes from `at` to `end` are the beginning of a record."""
    file.seek(at)
    head = file.read(min(record_head_bytes(header), end - at))
    if len(head) < record_head_bytes(header):
        return head[: len(header.mark)] == header.mark[: len(head)]
    said = read_record_head(header, head)
    return said is not None and at + len(head) + said[0] > end


def _record_at(file: BinaryIO, header: Header, at: int, end: int) -> tuple[int, Content] | None:
    """Return length and content of the record that begins at `at`; None where none does."""
    file.seek(at)
    head = file.read(record_head_bytes(header))
    said = read_record_head(header, head)
    if said is None:
        return None
    length, checksum, begun = said
    if at + len(head) + length > end:
        return None
    content = file.read(length)
    if len(content) < length or crc32(content, begun) != checksum:
        return None
    try:
        return len(head) + length, decode_content(header, content)
    except Damaged:  # though the checksum is right: whatever wrote it made a mistake
        return None


def _find(file: BinaryIO, mark: bytes, at: int, end: int) -> int:
    """Return where `mark` stands next, at `at` or after it; `end` where it does not."""
    while mark and at < end:
        file.seek(at)
        data = file.read(min(_SEARCH_BYTES, end - at))
        found = data.find(mark)
        if found >= 0:
            return at + found
        if len(data) < _SEARCH_BYTES:
            break
        at += len(data) - len(mark) + 1  # the mark may begin in this piece and end in the next
    return end
