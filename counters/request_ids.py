"""The ids of requests that were counted, kept in the database for as long as they are promised."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from hashlib import blake2b

from django.db import Error

from counters import totals
from counters.config import config
from counters.dialects import dialect_of
from counters.dialects.request_ids import ID_BYTES
from counters.failures import told
from counters.models import RequestId

logger = logging.getLogger(__name__)

TOLERANCE_HOURS = 1
"""How much longer than their retention ids are kept. A client's clock may be off by so much."""
_LEAST_LOOKED_AT = 2000
_LOOKED_AT_FOR_EACH = 2
"""After a flush the pruner looks at so many rows for each id that the flush has inserted. So it
walks faster than the table grows, and the table holds ids of about twice their retention."""
_TRANSACTION_ROWS = 20_000
"""Rows that one transaction looks at: some milliseconds, a tenth of a second if all are old."""
_FIRST = bytes(ID_BYTES)

_is_uuid = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


def digest(id_: str) -> bytes:
    """Return the 16 bytes by which the database knows an id.

    Of a UUID, in lower case, they are its own. UUIDv7s begin with their time: so new ones stand at
    the end of the index, and inserting them costs the same however many there are.
    """
    if _is_uuid(id_):
        return bytes.fromhex(id_.replace("-", ""))
    return blake2b(id_.encode(), digest_size=ID_BYTES).digest()


def insert_new(ids: Mapping[bytes, int]) -> Mapping[bytes, int]:
    """Insert those ids that are not there, within the transaction of a flush.

    Return those that are there already, each with the fingerprint that it has there.

    It is called once in a transaction, before anything is added to the totals: machines that share
    a database take the locks in the same order then.

    Args:
        ids: digests, each with the fingerprint of its request: 32 bits without a sign.

    Raises:
        UnfitTables: a trigger skips rows. What came with them would be lost.
        django.db.Error: the database failed.
    """
    if not ids:
        return {}
    pruner.inserted_ids += len(ids)
    connection = totals.connection()
    with connection.cursor() as cursor:
        inserted, known = dialect_of(connection).request_ids.insert(cursor, ids)
    if inserted + len(known) != len(ids):
        raise totals.UnfitTables(
            f"Table {RequestId._meta.db_table!r} has a trigger that skips rows: what came with an"
            " Idempotency-Key cannot be counted. Drop it."
        )
    return known


class Pruner:
    """Walks through all ids again and again, a few rows at a time, and deletes those that are old.

    Args:
        begin: where it begins. Without it, somewhere: processes that are often started anew get
            everywhere, too.

    Attributes:
        inserted_ids: how many ids this process has inserted since it pruned last.
    """

    def __init__(self, begin: bytes | None = None) -> None:
        self._begin = begin
        self._failure = ""
        self.inserted_ids = 0

    def after_flush(self) -> None:
        """Prune as much as the ids call for that were inserted.

        A failure is logged, when it begins and when it has another cause: the next flush prunes.
        """
        inserted_ids, self.inserted_ids = self.inserted_ids, 0
        try:
            self.prune(max(_LEAST_LOOKED_AT, _LOOKED_AT_FOR_EACH * inserted_ids))
        except Error as error:
            failure = told(error, totals.connection())
            if failure != self._failure:
                logger.warning("Old request ids stay for now. %s", failure)
            self._failure = failure
        else:
            self._failure = ""

    def prune(self, step_rows: int) -> int:
        """Delete what is old of the next rows, not in a transaction; return how many it was.

        At the end of the table it stops, and the next call begins anew.

        Raises:
            django.db.Error: the database failed; the next call goes on from there.
        """
        connection = totals.connection()
        dialect = dialect_of(connection).request_ids
        hours = config().idempotency_hours + TOLERANCE_HOURS
        if self._begin is None:
            self._begin = os.urandom(ID_BYTES)
        deleted = 0
        while step_rows > 0:
            rows = min(step_rows, _TRANSACTION_ROWS)
            with connection.cursor() as cursor:
                end = dialect.place_behind(cursor, self._begin, rows)
                deleted += dialect.delete_old(cursor, self._begin, end, hours)
            self._begin = end or _FIRST
            if end is None:
                break
            step_rows -= rows
        return deleted


pruner = Pruner()
"""That of this process."""
