"""Counting once what has an id: wherever its copies went, they meet in the database."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence, Set
from functools import partial

from counters import totals
from counters.reader import Contents
from counters.request_ids import digest, insert_new

logger = logging.getLogger(__name__)


def with_new_ids(contents: Contents) -> Mapping[str, int]:
    """Return the deltas, without those of requests whose ids are known to the database.

    To be called in the transaction in which the position moves past them. All ids are known then.

    Raises:
        django.db.Error: the database failed.
    """
    contents = contents.without(learn_ids(contents))
    if contents.unreadable:
        totals.after_commit(partial(_tell_of_damaged, contents.unreadable))
    return contents.deltas


def learn_ids(contents: Contents) -> Set[str]:
    """Have the database know the ids; return those that it knew before.

    To be called in such a transaction.

    Raises:
        django.db.Error: the database failed.
    """
    if not contents.identified:
        return frozenset()
    ids: dict[bytes, str] = {}
    # Whoever knows another's id can make one with the same digest: of the two, one counts.
    twins = {id_ for id_ in contents.identified if ids.setdefault(digest(id_), id_) != id_}
    fingerprints = {each: contents.identified[id_].fingerprint for each, id_ in ids.items()}
    known = insert_new(fingerprints)
    reused = [ids[each] for each, first in known.items() if first != fingerprints[each]]
    if reused := contents.reused + reused:
        totals.after_commit(partial(_tell_of_reused, reused))
    return {ids[each] for each in known} | twins


def _tell_of_reused(ids: Sequence[str]) -> None:
    logger.warning(
        "%d requests had the Idempotency-Key of another one with another body, for example %r:"
        " they do not count.",
        len(ids),
        ids[0],
    )


def _tell_of_damaged(ids: Sequence[str]) -> None:
    logger.error(
        "%d requests count twice, for example that with the Idempotency-Key %r: copies of them were"
        " counted before, and what the journal holds of them was damaged while it was in use.",
        len(ids),
        ids[0],
    )
