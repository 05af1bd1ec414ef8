"""Counting once what has an id: wherever its copies went, they meet in the database."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from counters import totals
from counters.reader import Contents
from counters.request_ids import digest, insert_new

logger = logging.getLogger(__name__)


def with_new_ids(contents: Contents) -> Mapping[str, int]:
    """Return the deltas, with what is added once of the ids that are new.

    To be called in the transaction in which the position moves past them. All ids are known then.

    Raises:
        django.db.Error: the database failed.
    """
    if not contents.identified:
        return contents.deltas
    ids = {digest(id_): id_ for id_ in contents.identified}
    inserted = insert_new({each: contents.identified[id_].fingerprint for each, id_ in ids.items()})
    deltas = contents.deltas.copy()
    for new in inserted.new:
        for key, value in contents.identified[ids[new]].pairs:
            deltas[key] += value
    reused = contents.reused + [ids[each] for each in inserted.conflicting]
    if reused:
        totals.after_commit(partial(_tell_of_reused, reused))
    return deltas


def _tell_of_reused(ids: Sequence[str]) -> None:
    logger.warning(
        "%d requests had the Idempotency-Key of another one with another body, for example %r:"
        " they do not count.",
        len(ids),
        ids[0],
    )
