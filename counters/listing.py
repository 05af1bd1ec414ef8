"""Totals in the order of their keys, a page at a time.

A page begins behind the last key of the page before. So each is as fast as the first, and a key
whose row stays is on one page exactly, whatever happens to others meanwhile.
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Collate

from counters import totals
from counters.dialects import dialect_of
from counters.increments import MAX_KEY_LENGTH
from counters.models import Number

_LAST = "\U0010ffff"
"""The last code point."""


def key_range(prefix: str) -> tuple[str, str]:
    """Return the first text that begins with `prefix`, and the first behind all of them.

    Example: from "ab" up to "ac". Behind "a" and the last code point comes "b". An empty prefix
    leads up to what is behind every key.
    """
    rest = prefix.rstrip(_LAST)
    if not rest:
        return prefix, _LAST * (MAX_KEY_LENGTH + 1)
    next_code = ord(rest[-1]) + 1
    if next_code == 0xD800:  # the surrogates are no characters: behind U+D7FF comes U+E000
        next_code = 0xE000
    return prefix, rest[:-1] + chr(next_code)


def totals_in(prefix: str) -> QuerySet[Any]:
    """Return the totals whose keys begin with `prefix`. `point` is a key to order and compare by.

    On SQLite, keys that a person has put in and that are no text are left out.
    """
    first, end = key_range(prefix)
    return all_totals().filter(point__gte=first, point__lt=end)


def all_totals() -> QuerySet[Any]:
    """Return the totals, each with its `point`: its key in the order of code points.

    Tables may have another order, such as one that somebody has made by hand.
    """
    dialect = dialect_of(totals.connection())
    found = Number.objects.annotate(point=Collate("key", dialect.code_point_order))
    return dialect.only_totals(found)


def page_by_key(
    prefix: str, limit: int, *, is_descending: bool = False, after: str | None = None
) -> list[tuple[str, int]]:
    """Return up to `limit` keys that begin with `prefix`, and their totals, in order.

    Args:
        after: the key behind which the page begins; None: it is the first page.

    Raises:
        django.db.Error: the database failed.
    """
    first, end = key_range(prefix)
    # One bound on each side: of two on the same side, SQLite looks up the first one only.
    if after is None:
        found = all_totals().filter(point__gte=first, point__lt=end)
    elif is_descending:
        found = all_totals().filter(point__gte=first, point__lt=after)
    else:
        found = all_totals().filter(point__gt=after, point__lt=end)
    found = found.order_by("-point" if is_descending else "point")
    return list(found.values_list("key", "value")[:limit])
