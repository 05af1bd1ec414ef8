"""Flushing a journal from its file: what anyone can do, for a process alive or gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.db import DatabaseError, DataError, IntegrityError

from counters import totals
from counters.config import config
from counters.corrupt_files import NoRoom, remove_left_drafts, set_aside
from counters.identity import totals_ids
from counters.journal import SUFFIX
from counters.journal_folder import OpenJournal, done_journals, journals, name_drafts, opened
from counters.reader import Contents
from counters.records import JournalUnreadable
from counters.refused_files import keep_refused, name_refused, refused_draft, refused_drafts

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Flushed:
    """What a flush brought into the totals."""

    journals: int = 0
    increments: int = 0


def flush_journals(
    folder: Path,
    unreadable: set[Path],
    *,
    retire: bool = False,
    adopt: bool = False,
    progress: Callable[[int], object] | None = None,
) -> Flushed:
    """Flush every journal in `folder`, of processes alive and gone.

    A file that cannot be read holds up no other. It is named in the log unless it is in
    `unreadable`, to which it is added; once it can be read it is taken out again.

    Args:
        retire: whether to remove the journals of processes that are gone.
        adopt: whether to flush the journals of other totals, too, whose processes are gone; these
            are removed.
        progress: is called with a number of bytes each time that so many have been read.

    Raises:
        django.db.Error: the database failed; what was flushed before that counts.
    """
    flushed = Flushed()
    totals.require_tables()
    accepted = totals_ids().accepted
    name_drafts(folder)
    settle_refused(folder, accepted)
    for path in journals(folder):
        with _tolerant(path, unreadable), opened(path) as journal:
            is_ours = journal.is_for(accepted)
            if not (is_ours or (adopt and journal.is_orphan)):
                _refuse_unless_counted(journal)
            increments = flush_journal(journal, progress).increments
            flushed.journals += bool(increments)
            flushed.increments += increments
            if journal.is_orphan and (retire or not is_ours):
                retire_journal(path)
    return flushed


def recover_journals(folder: Path, accepted: Collection[bytes], unreadable: set[Path]) -> int:
    """Flush and remove the journals of processes that are gone; return how many increments it was.

    Those that name none of the `accepted` ids are for other totals, and left alone.

    A file that cannot be read is treated as `flush_journals` does.

    Raises:
        django.db.Error: the database failed; the rest waits for the next time.
    """
    increments = 0
    name_drafts(folder)
    settle_refused(folder, accepted)
    for path in journals(folder):
        with _tolerant(path, unreadable), opened(path) as journal:
            if journal.is_orphan:
                if not journal.is_for(accepted):
                    _refuse_unless_counted(journal)
                increments += flush_journal(journal).increments
                retire_journal(path)
    for done in done_journals(folder):
        done.unlink(missing_ok=True)
    remove_left_drafts(folder)
    return increments


@contextmanager
def _tolerant(path: Path, unreadable: set[Path]) -> Iterator[None]:
    """Go on where a journal is gone, or cannot be counted; of the latter, tell once.

    So it is where the database refuses what is in one journal. Other errors of the database would
    be the same for every journal.
    """
    try:
        yield
    except FileNotFoundError:
        return  # flushed and removed by someone else
    except (JournalUnreadable, OSError, DataError, IntegrityError) as error:
        if path not in unreadable:
            what = f"{path}: {error}" if isinstance(error, DatabaseError) else error
            logger.error(
                "%s: it is kept, and not counted yet. Mend it or move it away; each flush tries"
                " again.",
                what,
            )
        unreadable.add(path)
    else:
        unreadable.discard(path)


def _refuse_unless_counted(journal: OpenJournal) -> None:
    """Refuse a journal of other totals, unless it is in these already: it was adopted then.

    Raises:
        JournalUnreadable: it is not.
    """
    if journal.is_orphan and totals.is_counted(journal.name, journal.size):
        return
    if not journal.is_orphan:
        raise JournalUnreadable(
            f"{journal.path} is in use by a process that counts into another database"
        )
    raise JournalUnreadable(
        f"{journal.path} is for the totals of another database (flushnumbers --adopt counts it into"
        " this one; not if what it holds was copied from there with the totals)"
    )


def flush_journal(
    journal: OpenJournal, progress: Callable[[int], object] | None = None
) -> Contents:
    """Add what stands after the position to the totals, and move the position; return what it was.

    Raises:
        FileNotFoundError: somebody else has removed the journal.
        JournalUnreadable: it is no journal, or it is of a newer version.
        django.db.Error: the database failed; totals and position are as they were.
    """
    with totals.transaction():
        position = totals.lock_position(journal.name)
        if not journal.is_in_place:  # the version before retires a journal and its position at once
            raise FileNotFoundError(journal.path)
        contents = journal.read(position, progress)
        report_damage(journal.file, journal.path, contents.damaged)
        if contents.end != position:
            count_deltas(journal.path, position, contents.deltas)
            totals.move_position(journal.name, contents.end)
    return contents


def count_deltas(journal: Path, position: int, deltas: Mapping[str, int]) -> None:
    """Add what a journal holds from `position` on to the totals.

    What the database refuses is kept in a `.refused` file. To be called in the transaction in which
    the position moves past it.

    Raises:
        django.db.Error: the database failed.
        OSError: there is no place for what it refuses.
    """
    refused = totals.add_to_totals(deltas)
    draft = refused_draft(journal.parent, journal.stem, position)
    if not refused.deltas:
        draft.unlink(missing_ok=True)  # of a try before this one that was not committed
        return
    keep_refused(draft, refused.deltas, totals_ids().own, config().max_journal_bytes)
    what = f"{len(refused.deltas)} of {len(deltas)} keys, for example"
    what = f"{what} {next(iter(refused.deltas))!r}: {refused.reason}"
    totals.after_commit(partial(_name_refused, draft, what))


def _name_refused(draft: Path, what: str) -> None:
    path = name_refused(draft)
    logger.error(
        "The database refuses %s. Their increments are kept in %s and not counted; all others are."
        " Once the database takes them, rename that file to %s: the next flush counts it.",
        what,
        path,
        path.with_suffix(SUFFIX).name,
    )


def settle_refused(folder: Path, accepted: Collection[bytes]) -> None:
    """See to the drafts of `.refused` files that processes left which died in a flush.

    Where the flush was committed, a draft gets its name. Where it was not, its journal still has
    what is in it: then it goes.

    Args:
        accepted: the ids of the totals.

    Raises:
        django.db.Error: the database failed.
    """
    drafts = list(refused_drafts(folder, accepted))
    if not drafts:
        return
    with totals.transaction():
        totals.lock_everything()  # a flush that is under way may have just written one
        positions = totals.positions_of([journal for _, journal, _ in drafts])
        for draft, journal, position in drafts:
            if positions.get(journal, 0) > position:
                _name_refused(draft, "some keys")
            else:
                draft.unlink(missing_ok=True)


def report_damage(file: BinaryIO, path: Path, damaged: Sequence[tuple[int, int]]) -> None:
    """Keep a copy of each damaged range of a journal, where there is room, and say so.

    To be called in the transaction in which the position moves past them.
    """
    max_bytes = config().max_journal_bytes
    for begin, end in damaged:
        damage = f"{end - begin} bytes of {path}, from byte {begin}, are torn or corrupt: they are"
        try:
            copy, is_new = set_aside(file, path, begin, end, max_bytes)
        except NoRoom:
            # Before the COMMIT it would be said again with each try.
            totals.after_commit(
                partial(
                    logger.error,
                    "%s not counted, and no copy is kept, because the .corrupt files here would"
                    " hold more than %d bytes (MAX_JOURNAL_BYTES): move them away. Everything else"
                    " is counted.",
                    damage,
                    max_bytes,
                )
            )
            continue
        if is_new:
            logger.error(
                "%s not counted, and kept in %s. Everything else is counted.", damage, copy
            )


def retire_journal(path: Path) -> None:
    """Remove a journal that is wholly in the totals.

    Its position stays behind. Whoever finds the file again, because this process died in between
    or somebody brought it back, reads from there that nothing of it is left to count.
    """
    totals.retire_position(path.stem)
    path.unlink(missing_ok=True)
