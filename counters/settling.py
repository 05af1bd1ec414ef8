"""The `.refused` files and the database: whether what they hold counts is decided by a COMMIT.

A file cannot be changed in a transaction. So whatever is new is a draft first, named after a
journal and a position; and what is over has a position in the database, at its end, as a journal
has that is counted. Whoever dies before or after the COMMIT leaves files from which the next one
sees which it was.

A worked example. `a` and `b` wait in the file F, and the total of `a` is set. In the transaction, a
draft is written that has `b`, and the position of F moves to its end. After it, the draft gets its
name and F is removed. A process that dies in between leaves an F that counts nothing, even if it is
renamed to `.journal`, and a draft that the next flush names.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from counters import totals
from counters.counting import name_and_tell
from counters.refused_files import (
    draft_of_rest,
    refused_deltas,
    refused_drafts,
    refused_file,
    refused_files,
    rewrite_draft,
)

logger = logging.getLogger(__name__)


def settle_refused(folder: Path, accepted: Collection[bytes]) -> None:
    """See to the drafts of `.refused` files that processes left which died.

    Where its transaction was committed, a draft gets its name. Where it was not, what is in it
    stands elsewhere still: then it goes.

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
        positions = totals.positions_of([name for _, name, _ in drafts])
        for draft, name, position in drafts:
            if positions.get(name, 0) > position:
                name_and_tell(draft, "some keys")
                refused_file(folder, name).unlink(missing_ok=True)  # where the draft is its rest
            else:
                draft.unlink(missing_ok=True)


def forget_refused(
    folder: Path,
    accepted: Collection[bytes],
    replaced: Callable[[Collection[str]], Collection[str]] | None = None,
) -> None:
    """Forget what is refused of keys whose totals are replaced.

    To be called in the transaction in which they are, with every flush kept out. What this very
    transaction has found refused is forgotten, too.

    Args:
        accepted: the ids of the totals.
        replaced: returns which of some keys it is; None: all.

    Raises:
        OSError, JournalUnreadable: a file cannot be read or written.
        django.db.Error: the database failed.
    """
    for draft, *_ in refused_drafts(folder, accepted):
        rest = _rest_of(draft, replaced)
        if rest is not None:
            rewrite_draft(draft, rest)
    for path in _standing_refused(folder, accepted):
        rest = _rest_of(path, replaced)
        if rest is None:
            continue
        rest_draft = draft_of_rest(path, rest) if rest else None
        totals.lock_position(path.stem)
        totals.move_position(path.stem, path.stat().st_size)
        totals.retire_position(path.stem)
        totals.after_commit(partial(_put_in_place, path, rest_draft))


def _rest_of(
    path: Path, replaced: Callable[[Collection[str]], Collection[str]] | None
) -> dict[str, int] | None:
    """Return what of a file is to be kept; None where that is all of it."""
    if replaced is None:
        return {}
    deltas = refused_deltas(path)
    gone = replaced(deltas.keys())
    return {key: delta for key, delta in deltas.items() if key not in gone} if gone else None


def _standing_refused(folder: Path, accepted: Collection[bytes]) -> Iterator[Path]:
    """Yield the `.refused` files that hold something; those that are over are removed."""
    paths = refused_files(folder, accepted)
    positions = totals.positions_of([path.stem for path in paths])
    for path in paths:
        if positions.get(path.stem, 0) >= path.stat().st_size:
            path.unlink(missing_ok=True)
        else:
            yield path


def _put_in_place(path: Path, draft: Path | None) -> None:
    try:
        if draft is not None:
            name_and_tell(draft, "some keys")
        path.unlink(missing_ok=True)
    except OSError as error:
        logger.error("%s: %s. It counts nothing any more: remove it.", path, error)
