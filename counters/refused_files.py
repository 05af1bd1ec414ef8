"""The `.refused` files: increments that the database refuses, so that others need not wait.

Each is a journal but for its suffix. Once the database takes what is in it, whoever runs the
service renames it to `.journal`, and the next flush counts it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from counters.files import sync_folder
from counters.increments import MAX_VALUE, MIN_VALUE, Increment
from counters.journal import NAME_LENGTH
from counters.journal_folder import is_name
from counters.reader import read_records
from counters.records import ANY_TOTALS, Header, JournalUnreadable, read_header, record
from counters.sections import increments_section

_SUFFIX, _DRAFT_SUFFIX = ".refused", ".refused.draft"
_match_draft = re.compile(
    rf"([0-9a-f]{{{NAME_LENGTH}}})\.([0-9]+){re.escape(_DRAFT_SUFFIX)}"
).fullmatch
_RECORD_INCREMENTS = 1000
_BLOCK_BYTES = 4096
"""What a small file takes of the disk."""


class RefusedFull(OSError):
    """The `.refused` files of a folder hold as much as they may."""


def refused_draft(folder: Path, journal: str, position: int) -> Path:
    """Return the file for what is refused of a journal from `position` on, until that is committed.

    A flush that has to be repeated begins at the same position: it writes the same file again.
    """
    return folder / f"{journal}.{position}{_DRAFT_SUFFIX}"


def refused_drafts(folder: Path, totals_ids: Collection[bytes]) -> Iterator[tuple[Path, str, int]]:
    """Yield the drafts that are for the totals with these ids, each with its journal and position.

    Those of other totals may be of a flush that is committed: that is known in their database only.
    """
    for path in _those_for(totals_ids, folder.glob(f"*{_DRAFT_SUFFIX}")):
        if found := _match_draft(path.name):
            yield path, found[1], int(found[2])


def name_refused(draft: Path) -> Path | None:
    """Give a draft its name, now that it is committed; return that, or None where it is gone.

    Before, the journal still has what is in it: if somebody had it counted, that would count twice.
    """
    name = blake2b(draft.name.removesuffix(_DRAFT_SUFFIX).encode(), digest_size=NAME_LENGTH // 2)
    path = draft.with_name(name.hexdigest() + _SUFFIX)
    try:
        draft.rename(path)
    except FileNotFoundError:  # somebody else has just done it, or nothing of it is to be kept
        return None
    sync_folder(path.parent)
    return path


def keep_refused(draft: Path, deltas: Mapping[str, int], totals_id: bytes, max_bytes: int) -> None:
    """Write deltas to a draft, in place of what is there.

    Args:
        totals_id: the id of the totals that they are for.
        max_bytes: how much all `.refused` files of the folder may hold together.

    Raises:
        RefusedFull: they would hold more.
        OSError: the file cannot be written.
    """
    _write(draft, Header(totals_id), deltas)
    if sum(map(_held_bytes, draft.parent.glob(f"*{_SUFFIX}*"))) > max_bytes:
        draft.unlink()
        raise RefusedFull(
            f"the database refuses increments, and the {_SUFFIX} files in {draft.parent} hold"
            f" {max_bytes} bytes (MAX_JOURNAL_BYTES): move them away"
        )
    sync_folder(draft.parent)


def _write(draft: Path, header: Header, deltas: Mapping[str, int]) -> None:
    increments = _increments(deltas)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(header.encode())
        while some := list(islice(increments, _RECORD_INCREMENTS)):
            file.write(record(header.mark, increments_section(some)))
        file.flush()
        os.fsync(fd)


def refused_deltas(path: Path) -> dict[str, int]:
    """Return what a `.refused` file holds.

    Raises:
        JournalUnreadable: some of it is damaged.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        header = read_header(file)
        size = os.fstat(file.fileno()).st_size
        contents = read_records(file, header, 0, size, past_damage=True) if header else None
    if contents is None or contents.damaged:
        raise JournalUnreadable(f"{path} is damaged")
    return contents.deltas


def draft_of_rest(path: Path, deltas: Mapping[str, int]) -> Path:
    """Write what is to be kept of a `.refused` file to a draft, and return that.

    It gets its name where the position of the file is found to have moved.

    Raises:
        JournalUnreadable: the file is no journal.
        OSError: the draft cannot be written.
    """
    draft = refused_draft(path.parent, path.stem, 0)
    _write(draft, Header(_totals_id(path)), deltas)
    sync_folder(path.parent)
    return draft


def rewrite_draft(draft: Path, deltas: Mapping[str, int]) -> None:
    """Have a draft, which is not committed, hold only `deltas`; it goes where these are none.

    Raises:
        As `draft_of_rest` does.
    """
    if deltas:
        _write(draft, Header(_totals_id(draft)), deltas)
    else:
        draft.unlink()


def _totals_id(path: Path) -> bytes:
    with path.open("rb") as file:
        header = read_header(file)
    return header.totals_id if header else ANY_TOTALS


def _increments(deltas: Mapping[str, int]) -> Iterator[Increment]:
    """Yield the deltas as increments. What exceeds 64 bits goes into further ones."""
    for key, delta in deltas.items():
        left = min(max(delta, 2 * MIN_VALUE), 2 * MAX_VALUE)  # more makes no difference
        while True:
            part = min(max(left, MIN_VALUE), MAX_VALUE)
            yield Increment(key, part)
            left -= part
            if not left:
                break


def _held_bytes(path: Path) -> int:
    with suppress(FileNotFoundError):
        return -(-path.lstat().st_size // _BLOCK_BYTES) * _BLOCK_BYTES
    return 0


def refused_files(folder: Path, totals_ids: Collection[bytes]) -> list[Path]:
    """Return the `.refused` files in `folder` that are for the totals with these ids."""
    named = [path for path in folder.glob(f"*{_SUFFIX}") if is_name(path.stem)]
    return list(_those_for(totals_ids, named))


def refused_file(folder: Path, name: str) -> Path:
    """Return where the `.refused` file is that has this name."""
    return folder / (name + _SUFFIX)


def _those_for(totals_ids: Collection[bytes], paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_file():  # to open a pipe would wait for somebody who writes to it
            continue
        with suppress(OSError, JournalUnreadable), path.open("rb") as file:
            header = read_header(file)
            if header is not None and header.is_for(totals_ids):
                yield path
