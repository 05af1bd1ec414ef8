"""Counting one journal: from its file, whole or in portions; and what each flush has to do."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from django.db import DatabaseError

from counters import totals
from counters.config import config
from counters.corrupt_files import NoRoom, set_aside
from counters.counting_once import with_new_ids
from counters.identity import totals_ids
from counters.journal import SUFFIX
from counters.journal_folder import OpenJournal
from counters.reader import Contents
from counters.refused_files import keep_refused, name_refused, refused_draft

logger = logging.getLogger(__name__)

_PORTION_BYTES = 256 * 1024
"""Some ten thousand keys: half a second, where the database refuses them."""
_REST_SECONDS = 0.1
"""Between two portions. Who waits for SQLite looks that often whether it is his turn."""


class Unfinished(DatabaseError):
    """A flush was given up between two portions; what came before counts."""


def never() -> bool:
    return False


def flush_journal(
    journal: OpenJournal,
    progress: Callable[[int], object] | None = None,
    *,
    is_given_up: Callable[[], bool] = never,
) -> int:
    """Add what stands after the position to the totals; return how many increments it was.

    It is one transaction, but for where the database refuses many keys.

    Raises:
        Unfinished: it was given up.
        FileNotFoundError: somebody else has removed the journal.
        JournalUnreadable: it is no journal, or it is of a newer version.
        django.db.Error: the database failed; totals and position are as they were.
    """
    try:
        return flush_whole(journal, progress, max_tried=totals.MAX_TRIED_KEYS).increments
    except totals.ManyRefused:
        increments = flush_in_portions(journal, is_given_up)
        return increments + flush_whole(journal).increments


def flush_in_portions(journal: OpenJournal, is_given_up: Callable[[], bool]) -> int:
    """Flush a journal in many short transactions, up to its end, or to what is no whole record.

    To be called where the database refuses so many keys that to try them one by one takes long.
    Others can write in between, and what is done is done, whatever ends this process.

    Args:
        is_given_up: asked after each portion.

    Raises:
        As `flush_journal` does.
    """
    increments = 0
    while True:
        with totals.transaction():
            position = _lock_position(journal)
            contents = journal.read_portion(position, _PORTION_BYTES)
            if not contents.increments:
                return increments
            _count(journal, position, contents)
        increments += contents.increments
        if is_given_up():
            raise Unfinished(
                "it refuses many keys, and to find out which takes longer than there is time now"
            )
        time.sleep(_REST_SECONDS)


def flush_whole(
    journal: OpenJournal,
    progress: Callable[[int], object] | None = None,
    *,
    max_tried: int | None = None,
) -> Contents:
    """Add what stands after the position to the totals, and move the position; return what it was.

    It is one transaction, which may be a part of a longer one.

    Raises:
        ManyRefused: more than `max_tried` keys would have to be tried one by one.
        FileNotFoundError, JournalUnreadable, django.db.Error: as with `flush_journal`.
    """
    with totals.transaction():
        position = _lock_position(journal)
        contents = journal.read(position, progress)
        report_damage(journal.file, journal.path, contents.damaged)
        if contents.end != position:
            _count(journal, position, contents, max_tried)
    return contents


def _lock_position(journal: OpenJournal) -> int:
    position = totals.lock_position(journal.name)
    if not journal.is_in_place:  # the version before retires a journal and its position at once
        raise FileNotFoundError(journal.path)
    return position


def _count(
    journal: OpenJournal, position: int, contents: Contents, max_tried: int | None = None
) -> None:
    count_contents(journal.path, position, contents, max_tried)
    totals.move_position(journal.name, contents.end)


def count_contents(
    journal: Path, position: int, contents: Contents, max_tried: int | None = None
) -> None:
    """Add what a journal holds from `position` on to the totals.

    Of what has an id, it is what has one that is new to the database. What the database refuses is
    kept in a `.refused` file. To be called in the transaction in which the position moves past it.

    Raises:
        ManyRefused: more than `max_tried` keys would have to be tried one by one.
        django.db.Error: the database failed.
        OSError: there is no place for what it refuses.
    """
    deltas = with_new_ids(contents)
    refused = totals.add_to_totals(deltas, max_tried)
    draft = refused_draft(journal.parent, journal.stem, position)
    if not refused.deltas:
        draft.unlink(missing_ok=True)  # of a try before this one that was not committed
        return
    keep_refused(draft, refused.deltas, totals_ids().own, config().max_journal_bytes)
    what = f"{len(refused.deltas)} of {len(deltas)} keys, for example"
    what = f"{what} {next(iter(refused.deltas))!r}: {refused.reason}"
    totals.after_commit(partial(name_and_tell, draft, what))


def name_and_tell(draft: Path, what: str) -> None:
    """Give a draft of a `.refused` file its name, and name it in the log."""
    path = name_refused(draft)
    if path is None:
        return
    logger.error(
        "The database refuses %s. Their increments are kept in %s and not counted; all others are."
        " Once the database takes them, rename that file to %s: the next flush counts it.",
        what,
        path,
        path.with_suffix(SUFFIX).name,
    )


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
