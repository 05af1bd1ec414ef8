"""Which totals these are, and which journals are for them.

Each set of totals has an id, which its database carries, and journals name it. Until a process has
asked the database, it knows only where the database is said to be: then its journal names that
place.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import sha256

from counters import totals
from counters.models import Identity
from counters.records import ANY_TOTALS
from counters.users import user_name

_search_paths = re.compile(r"(?:-c\s*|--)search[_-]path=(\S*)", re.IGNORECASE).findall
"""What the options of a connection, such as "-c search_path=a", set it to."""


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
    accepted = [*ids, id_of_place(), _id_of_place_before(), ANY_TOTALS]
    return TotalsIds(own=ids[0], accepted=frozenset(accepted))


def id_of_place() -> bytes:
    """Return the id, 16 bytes, that stands for the database's address until it is asked.

    On PostgreSQL that is all that decides which tables a name means: the server, the database, and
    the schemas that are searched, one of which may have the user's name.
    """
    connection = totals.connection()
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return _id_of("sqlite", os.path.realpath(str(settings["NAME"])))
    options = settings["OPTIONS"]
    given = {
        "PGHOST": settings["HOST"] or options.get("host"),
        "PGHOSTADDR": options.get("hostaddr"),
        "PGPORT": settings["PORT"] or options.get("port"),
        "PGDATABASE": settings["NAME"] or options.get("dbname"),
        "PGUSER": settings["USER"] or options.get("user"),
        "PGSERVICE": options.get("service"),
        "PGOPTIONS": options.get("options"),
    }
    # What is not given libpq takes from these variables.
    place = {name: str(value or os.environ.get(name, "")) for name, value in given.items()}
    place["PGPORT"] = place["PGPORT"] or "5432"
    place["PGUSER"] = place["PGUSER"] or user_name()
    place["PGOPTIONS"] = ",".join(_search_paths(place["PGOPTIONS"].replace("\\ ", "")))
    role = str(options.get("assume_role") or "")
    return _id_of(connection.vendor, *place.values(), role)


def _id_of_place_before() -> bytes:
    """Return the id of the place as the version before had it in its journals."""
    connection = totals.connection()
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return id_of_place()
    return _id_of(
        connection.vendor, settings["HOST"], str(settings["PORT"] or ""), str(settings["NAME"])
    )


def _id_of(*place: str) -> bytes:
    return sha256("\n".join(place).encode()).digest()[:16]
