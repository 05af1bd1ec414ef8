"""Which totals these are, and which journals are for them.

Each set of totals has an id, which its database carries, and journals name it. Until a process has
asked the database, it knows only where the database is said to be: then its journal names that
place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import sha256

from counters import totals
from counters.models import Identity
from counters.records import ANY_TOTALS


@dataclass(frozen=True, slots=True)
class TotalsIds:
    own: bytes
    """The id, 16 bytes, that new journals name."""
    accepted: frozenset[bytes]
    """Journals that name one of these are for these totals."""


def totals_ids() -> TotalsIds:
    """Ask the database for its ids.

    It has several where rows were copied into it from other totals, positions and all. It has none
    after `manage.py flush`, which empties every table: then it gets one.

    Raises:
        django.db.Error: the database failed.
    """
    ids = sorted(row.id.bytes for row in Identity.objects.all())
    if not ids:
        ids = [Identity.objects.create().id.bytes]
    return TotalsIds(own=ids[0], accepted=frozenset([*ids, id_of_place(), ANY_TOTALS]))


def id_of_place() -> bytes:
    """Return the id, 16 bytes, that stands for the database's address until it is asked."""
    connection = totals.connection()
    settings = connection.settings_dict
    name = str(settings["NAME"])
    if connection.vendor == "sqlite":
        place = [os.path.realpath(name)]
    else:
        place = [settings["HOST"], str(settings["PORT"] or ""), name]
    return sha256("\n".join([connection.vendor, *place]).encode()).digest()[:16]
