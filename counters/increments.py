"""An increment, a batch of them, and the limits that both have to keep."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAX_KEY_LENGTH = 255
"""Longest key, in characters."""
MIN_VALUE, MAX_VALUE = -(2**63), 2**63 - 1
"""Range of a value and of a total: signed 64-bit."""
MAX_BATCH_LENGTH = 10_000
"""Most increments in one request."""

Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH)]
Value = Annotated[int, Meta(ge=MIN_VALUE, le=MAX_VALUE)]


class Increment(msgspec.Struct, frozen=True, gc=False):
    """A whole number to add to the total of a key.

    msgspec checks the limits where it decodes one; `checked` does so for a program's arguments.
    """

    key: Key
    value: Value


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Increments that count together or not at all.

    Attributes:
        json: the JSON list that they were read from, or empty where there was none. A journal
            takes it as it is, so that nothing has to be encoded again.
    """

    increments: list[Increment]
    json: bytes = b""


def increments_of(request: Increment | Batch) -> Sequence[Increment]:
    """Return what a request adds."""
    return (request,) if isinstance(request, Increment) else request.increments


class BadIncrement(ValueError):
    """Something is no increment.

    Attributes:
        error: a sentence that says what is wrong.
        field: the part that is wrong: `key`, `value`, `body` or the name of a header.
        limit: the limit that was not kept, or None where there is none.
    """

    def __init__(self, error: str, field: str, limit: int | None = None) -> None:
        super().__init__(error)
        self.error = error
        self.field = field
        self.limit = limit


def checked(key: Any, value: Any) -> Increment:
    """Return the increment of `value` for `key`.

    Raises:
        BadIncrement: the key is not a str of 1 to `MAX_KEY_LENGTH` characters that UTF-8 can
            encode, or has a NUL; or the value is not an int from `MIN_VALUE` to `MAX_VALUE`.
    """
    if not isinstance(key, str):
        raise BadIncrement("key is not a string", "key")
    check_key(key)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadIncrement("value is not a whole number", "value")
    check_range(value)
    return Increment(key, value)


def check_key(key: str) -> None:
    """Raise BadIncrement where `key` does not keep the limits."""
    if not key:
        raise BadIncrement("key is empty", "key", 1)
    if len(key) > MAX_KEY_LENGTH:
        raise key_too_long()
    if "\0" in key:
        raise BadIncrement("key has a NUL character", "key")
    try:
        key.encode()
    except UnicodeEncodeError as error:  # it has half of a surrogate pair
        raise BadIncrement("key is not valid UTF-8", "key") from error


def check_range(value: int) -> None:
    """Raise BadIncrement where `value` does not fit into 64 bits."""
    if value < MIN_VALUE:
        raise BadIncrement(f"value is less than {MIN_VALUE}", "value", MIN_VALUE)
    if value > MAX_VALUE:
        raise BadIncrement(f"value is greater than {MAX_VALUE}", "value", MAX_VALUE)


def key_too_long(at: str = "") -> BadIncrement:
    limit = MAX_KEY_LENGTH
    return BadIncrement(f"key is longer than {limit} characters{at}", "key", limit)


def why_refused(error: msgspec.ValidationError, what: str) -> BadIncrement:
    """Say in our words what msgspec says as "Expected `int`, got `str` - at `$[3].value`".

    Args:
        what: what the whole of it had to be.
    """
    message, _, place = str(error).partition(" - at ")
    place = place.strip("`").removeprefix("$")
    at = f" (at {place})" if place.startswith("[") else ""  # which one of a batch
    if missing := re.search(r"missing required field `(\w+)`", message):
        return BadIncrement(f"{missing[1]} is missing{at}", missing[1])
    field = place.rpartition(".")[2] if "." in place else "body"
    if field == "key" and ">= 1" in message:
        return BadIncrement(f"key is empty{at}", field, 1)
    if field == "key" and "<=" in message:
        return key_too_long(at)
    if field == "value" and "<=" in message:
        return BadIncrement(f"value is greater than {MAX_VALUE}{at}", field, MAX_VALUE)
    if field == "value" and ">=" in message:
        return BadIncrement(f"value is less than {MIN_VALUE}{at}", field, MIN_VALUE)
    expected = {"key": "a string", "value": "a whole number"}.get(field, what)
    return BadIncrement(f"{field} is not {expected}{at}", field)


def parse_value(text: bytes) -> int:
    """Return the whole number that `text` is.

    Raises:
        BadIncrement: it is none, or one that does not fit into 64 bits.
    """
    digits = text[1:] if text[:1] in (b"-", b"+") else text
    if not digits.isdigit():
        problem = "is not a whole number" if text else "is empty"
        raise BadIncrement(f"value {problem}", "value")
    digits = digits.lstrip(b"0")[:20]  # more digits are out of range anyway
    value = int(digits or b"0")
    if text[:1] == b"-":
        value = -value
    check_range(value)
    return value
