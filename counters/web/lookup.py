"""What a reply needs of the totals: known before the database is asked.

So a server that serves many clients can ask for the keys of several requests at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from django.db import Error

from counters import totals
from counters.config import config
from counters.failures import told
from counters.fresh import catch_up
from counters.web import replies
from counters.web.replies import Reply

logger = logging.getLogger(__name__)

_MAX_TOLD = 100


class Lookup(NamedTuple):
    """Keys whose totals a reply needs, and how it is made of them."""

    keys: Collection[str]
    is_fresh: bool
    """Whether the totals are to have all that this machine has acknowledged."""
    render: Callable[[Mapping[str, int]], Reply]
    """Makes the reply of the totals of those keys that have one."""
    own_cost: int = 5
    """What it takes to render and send it, besides its keys: as much as so many keys."""

    @property
    def cost(self) -> int:
        """What it takes to answer it: so many keys are rendered, or as much."""
        return len(self.keys) + self.own_cost

    def answer(self, failed: Reply | None = None) -> Reply:
        """Ask the database, which may take as long as a flush, and return the reply.

        Args:
            failed: the reply if the database fails; None: a 503.
        """
        found = totals_for(self.keys, totals, is_fresh=self.is_fresh)
        if found is None:
            return failed or replies.totals_unavailable()
        return self.render(found)


class Reader(Protocol):
    """What asks the database: `counters.totals`, or what keeps a connection open."""

    def totals_of(self, keys: Collection[str], /) -> dict[str, int]: ...
    def positions_of(self, journals: Collection[str], /) -> dict[str, int]: ...


def totals_for(keys: Collection[str], reader: Reader, *, is_fresh: bool) -> dict[str, int] | None:
    """Ask the database for totals; None where it fails, which is logged.

    Args:
        reader: asks for those that there are.
    """
    try:
        if is_fresh:
            catch_up(config().journal_dir, reader.positions_of)
        return reader.totals_of(keys)
    except (Error, OSError) as error:
        log_failure(error)
        totals.close_connection()
        return None


_TOLD_AGAIN_SECONDS = 60.0
_told: dict[str, float] = {}
"""When each failure was logged last: clients may ask a thousand times a second."""


def log_failure(error: Exception) -> None:
    """Log that totals could not be read or set, each cause once a minute."""
    sentence = told(error, totals.connection()) if isinstance(error, Error) else f"{error}."
    now = time.monotonic()
    if now - _told.get(sentence, -_TOLD_AGAIN_SECONDS) < _TOLD_AGAIN_SECONDS:
        return
    if len(_told) >= _MAX_TOLD:
        _told.clear()
    _told[sentence] = now
    logger.error("A request for totals failed, and got a 503. %s", sentence)
