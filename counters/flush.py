"""Flushing a journal from its file: what anyone can do, for a process alive or gone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from counters import totals
from counters.journal import (
    DONE_SUFFIX,
    NAME_LENGTH,
    JournalUnreadable,
    Tail,
    copy_rest,
    journals,
    locked,
    mark_done,
    read_tail,
    sync_folder,
)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Flushed:
    """What a flush brought into the totals."""

    journals: int = 0
    increments: int = 0
    unreadable: int = 0


def flush_journal(path: Path, progress: Callable[[int], object] | None = None) -> Tail:
    """Add what the journal at `path` holds after its position to the totals, and move the position.

    Raises:
        FileNotFoundError: there is no such journal (any more).
        JournalUnreadable: the file is no journal that this version can read.
        django.db.Error: the database failed; totals and position are as they were.
    """
    with transaction.atomic():
        position = _lock_position(path)
        # Opened only now: while the file has its name, nobody has forgotten its position.
        tail = read_tail(path, position, progress=progress)
        if tail.end != position:
            totals.add_to_totals(tail.deltas)
            totals.move_position(path.stem, tail.end)
    return tail


def _lock_position(path: Path) -> int:
    name = path.stem
    if len(name) > NAME_LENGTH or not name.isascii():  # the database would fail
        raise JournalUnreadable(f"{str(path)!r} is named as no journal is")
    return totals.lock_position(name)


def flush_journals(folder: Path, progress: Callable[[int], object] | None = None) -> Flushed:
    """Flush every journal in `folder`, of processes alive and gone.

    Raises:
        django.db.Error: the database failed; what was flushed before that counts.
    """
    flushed = Flushed()
    for path in journals(folder):
        try:
            tail = flush_journal(path, progress)
        except FileNotFoundError:
            continue  # flushed and removed by someone else
        except (JournalUnreadable, OSError) as error:
            logger.error("%s", error)
            flushed.unreadable += 1
            continue
        flushed.journals += bool(tail.increments)
        flushed.increments += tail.increments
    return flushed


def recover_journals(folder: Path, unreadable: set[Path]) -> int:
    """Flush and remove the journals of processes that are gone; return how many increments it was.

    A file that cannot be read holds up no other. It is reported unless it is in `unreadable`, to
    which it is added.

    Raises:
        django.db.Error: the database failed; the rest waits for the next time.
    """
    increments = 0
    for path in journals(folder):
        try:
            with locked(path) as is_ours:
                if is_ours:
                    increments += _recover_journal(path)
                    unreadable.discard(path)
        except (JournalUnreadable, OSError) as error:
            if path not in unreadable:
                logger.error(
                    "%s: it is kept, and not counted yet. Mend it or move it away; each flush tries"
                    " again.",
                    error,
                )
            unreadable.add(path)
    for done in journals(folder, DONE_SUFFIX):  # left by a process that died while retiring one
        _remove(done)
    return increments


def _recover_journal(path: Path) -> int:
    tail = flush_journal(path)
    if tail.rest:
        set_aside(path, tail)
    retire_journal(path)
    return tail.increments


def set_aside(path: Path, tail: Tail) -> None:
    """Keep a copy of what stands after the last whole record of a journal, and say so."""
    copy = copy_rest(path, tail.end)
    logger.error(
        "The last %d bytes of %s are torn or corrupt: they are kept in %s and not counted;"
        " everything before them is.",
        tail.rest,
        path,
        copy,
    )


def retire_journal(path: Path) -> None:
    """Remove a journal that is wholly in the totals.

    The position may be forgotten only once the file can never be read as a journal again: first
    the file gets another name, then the position goes, then the file.
    """
    _remove(mark_done(path))


def _remove(done: Path) -> None:
    sync_folder(done.parent)  # whoever renamed it may have died before the disk knew
    totals.forget_position(done.stem)
    done.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset did, and what was out of its reach."""

    totals: int
    """Totals deleted."""
    journals_elsewhere: int
    """Journals that have a position in the database and no file here: those of other machines."""


@transaction.atomic
def reset(folder: Path) -> Reset:
    """Delete all totals and skip all that the journals in `folder` hold.

    Raises:
        OSError, JournalUnreadable: a journal cannot be read, so that its end is not known.
        django.db.Error: the database failed.
        Everything is as it was then.
    """
    totals.lock_everything()
    here = [done.stem for done in journals(folder, DONE_SUFFIX)]
    for path in journals(folder):
        position = _lock_position(path)
        try:
            tail = read_tail(path, position)
        except FileNotFoundError:  # flushed and removed by someone else
            totals.forget_position(path.stem)
            continue
        totals.move_position(path.stem, tail.end)
        here.append(path.stem)
    return Reset(totals.delete_totals(), totals.count_positions_except(here))
