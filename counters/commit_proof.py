"""Whether a transaction was committed, where the answer to its COMMIT was lost.

The transaction leaves a row in table `positions`, under a name of its own, and retires it at once:
so it is no journal, and goes after `totals.KEEP_RETIRED_DAYS`. Over a new connection it is there,
or it is not.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error

from counters import totals
from counters.failures import told
from counters.journal import NAME_LENGTH
from counters.models import Position

logger = logging.getLogger(__name__)

_PAUSES_SECONDS = (0, 1, 3, 10)
"""Before each time that it is asked: a server that starts anew takes some seconds."""


class NobodyKnows(Exception):
    """The database cannot be asked whether it was committed. The text says how to find out."""


class CommitProof:
    """What shows that one transaction was committed."""

    def __init__(self) -> None:
        self._name = os.urandom(NAME_LENGTH // 2).hex()
        self._is_left = False

    def leave(self) -> None:
        """Have the transaction under way leave its row: the last that is done in it.

        Raises:
            UnfitTables: a trigger skips the row.
        """
        totals.lock_position(self._name)
        totals.retire_position(self._name)
        self._is_left = True

    @contextmanager
    def settles(self) -> Iterator[None]:
        """Return a context, around the transaction, that raises only where it was not committed.

        Raises:
            NobodyKnows: the COMMIT failed, and the database cannot be asked.
            What fails in it. Then the transaction is undone.
        """
        try:
            yield
        except Error as error:
            if not self._is_left:
                raise  # no COMMIT was sent
            said = told(error, totals.connection())
            logger.warning("%s That was the COMMIT: asking whether it is done.", said)
            if not self._is_committed():
                raise

    def _is_committed(self) -> bool:
        for pause_seconds in _PAUSES_SECONDS:
            time.sleep(pause_seconds)
            totals.close_connection()
            try:
                with totals.transaction():
                    totals.lock_everything()  # which it holds until it is at its end, either way
                    return bool(totals.positions_of([self._name]))
            except Error as error:
                failed = error
        raise NobodyKnows(
            f"{told(failed, totals.connection())} Nobody knows whether the COMMIT before was done:"
            f" it was if table {Position._meta.db_table} has a row whose journal is {self._name}"
            f" (it stays for {totals.KEEP_RETIRED_DAYS} days)."
        ) from failed
