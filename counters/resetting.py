"""Resetting: the totals go, exactly, with what the journals hold."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from counters import totals
from counters.counting_once import learn_ids
from counters.identity import totals_ids
from counters.journal_folder import OpenJournal, journals, name_drafts, opened
from counters.settling import forget_refused, settle_refused


@dataclass(frozen=True, slots=True)
class Reset:
    """What a reset did, and what was out of its reach."""

    totals: int
    """Totals deleted."""
    journals_elsewhere: int
    """Journals that have a position in the database and no file here: those of other machines."""


def reset(folder: Path) -> Reset:
    """Delete all totals and skip all that the journals in `folder` hold.

    What the database has refused goes, too.

    Raises:
        OSError, JournalUnreadable: a journal cannot be read, so that its end is not known.
        django.db.Error: the database failed.
        Everything is as it was then.
    """
    with no_flush_between(folder) as accepted:
        forget_refused(folder, accepted)
        for journal, is_ours in standing_journals(folder, accepted):
            position = totals.lock_position(journal.name)
            contents = journal.read_past_damage(position, journal.size)
            if is_ours:
                # What has an id goes, too, but the id is known: it does not come back if it is
                # sent again.
                learn_ids(contents)
            # If it is not: its process may be about to count it here, where this database has taken
            # another one's place. Or it is another service's: the position does no harm.
            totals.move_position(journal.name, contents.end)
        return Reset(totals.delete_totals(), journals_elsewhere(folder))


@contextmanager
def no_flush_between(folder: Path) -> Iterator[Collection[bytes]]:
    """Return a transaction that keeps every flush out until it ends, and the ids of the totals.

    Drafts of `.refused` files that stand in `folder` then are of this transaction.
    """
    with totals.transaction():
        totals.require_tables()
        totals.lock_everything()
        accepted = totals_ids().accepted
        settle_refused(folder, accepted)
        yield accepted


def journals_elsewhere(folder: Path) -> int:
    """Return how many journals have a position in the database, and no file here.

    To be called where flushes are kept out.
    """
    return totals.count_positions_except([path.stem for path in journals(folder)])


def standing_journals(
    folder: Path, accepted: Collection[bytes]
) -> Iterator[tuple[OpenJournal, bool]]:
    """Yield each journal in `folder` that may still count, and whether it is for these totals.

    Those of other totals whose processes are gone are left out.

    Args:
        accepted: the ids of the totals.

    Raises:
        OSError, JournalUnreadable: a journal cannot be read.
    """
    name_drafts(folder)
    for path in journals(folder):
        with suppress(FileNotFoundError), opened(path) as journal:
            is_ours = journal.is_for(accepted)
            if is_ours or not journal.is_orphan:
                yield journal, is_ours
