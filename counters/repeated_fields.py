"""Fields that JSON gives twice: msgspec keeps the last one, and such increments are refused."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any

import msgspec

from counters.increments import BadIncrement

find_escaped = re.compile(rb"\\u00[067]").search
"""Finds an escaped NUL or an escaped letter, as it may be in `key` and `value`."""


class _Key:
    """Stands for any key."""


class _Value:
    """Stands for any value."""


class Names(msgspec.Struct, gc=False):
    """An increment of which only the names matter."""

    key: _Key
    value: _Value


class TotalNames(msgspec.Struct, gc=False):
    """A total of which only the name matters."""

    value: _Value


def may_repeat_fields(body: bytes, increments: int) -> bool:
    """Return whether some of so many increments may have a field twice, from a quick look.

    Each has both names. Where none of their letters is escaped, and each name stands as often as
    there are increments, no field can be given twice. (Text that looks like a name, and names
    within other fields, only make them more.)
    """
    has_escaped = b"\\" in body and find_escaped(body) is not None
    return has_escaped or not (body.count(b'"key"') == body.count(b'"value"') == increments)


def refuse_repeated_fields(body: bytes, increments: int, names: type | UnionType = Names) -> None:
    """Raise BadIncrement where `body`, which has so many increments, gives a field of one twice.

    Of two fields with the same name msgspec keeps the last, but it calls the hook for both.

    Args:
        names: what the body is, with only its names.

    Raises:
        RecursionError: it is nested too deeply.
    """
    seen = {_Key: 0, _Value: 0}

    def note(field: type[Any], content: Any) -> Any:
        seen[field] += 1
        if seen[field] > increments:
            raise LookupError
        return field()

    try:
        msgspec.json.decode(body, type=names, dec_hook=note)
    except LookupError as error:
        name = "key" if seen[_Key] > increments else "value"
        raise BadIncrement(f"{name} is given twice", name, 1) from error
