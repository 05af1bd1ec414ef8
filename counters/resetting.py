"""Resetting: the totals go, exactly, with what the journals hold."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from counters import totals
from counters.identity import totals_ids
from counters.journal_folder import journals, name_drafts, opened
from counters.refused_files import refused_files


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
    with totals.transaction():
        totals.require_tables()
        totals.lock_everything()
        here = []
        accepted = totals_ids().accepted
        for path in refused_files(folder, accepted):
            totals.after_commit(partial(path.unlink, missing_ok=True))
        name_drafts(folder)
        for path in journals(folder):
            with suppress(FileNotFoundError), opened(path) as journal:
                is_ours = journal.is_for(accepted)
                if journal.is_orphan and not is_ours:
                    continue
                position = totals.lock_position(journal.name)
                totals.move_position(journal.name, journal.end(position))
                if not is_ours:
                    # Its process may be about to count it here, where this database has taken
                    # another one's place. Or it is another service's: the position does no harm.
                    totals.retire_position(journal.name)
                here.append(journal.name)
        return Reset(totals.delete_totals(), totals.count_positions_except(here))
