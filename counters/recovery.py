"""Flushing journals from their files: what anyone can do, for a process alive or gone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import DatabaseError, DataError, IntegrityError

from counters import totals
from counters.corrupt_files import remove_left_drafts
from counters.counting import flush_journal, never, retire_journal
from counters.identity import totals_ids
from counters.journal_folder import OpenJournal, done_journals, journals, name_drafts, opened
from counters.records import JournalUnreadable
from counters.settling import settle_refused

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
            increments = flush_journal(journal, progress)
            flushed.journals += bool(increments)
            flushed.increments += increments
            if journal.is_orphan and (retire or not is_ours):
                retire_journal(path)
    return flushed


def recover_journals(
    folder: Path,
    accepted: Collection[bytes],
    unreadable: set[Path],
    is_given_up: Callable[[], bool] = never,
) -> int:
    """Flush and remove the journals of processes that are gone; return how many increments it was.

    Those that name none of the `accepted` ids are for other totals, and left alone.

    A file that cannot be read is treated as `flush_journals` does.

    Args:
        is_given_up: asked in the middle of a flush that takes long; then that is left unfinished.

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
                increments += flush_journal(journal, is_given_up=is_given_up)
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
