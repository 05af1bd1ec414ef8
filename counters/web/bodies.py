"""From a request body to increments, or to a sentence that says what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import msgspec

from counters.increments import (
    MAX_BATCH_LENGTH,
    MAX_KEY_LENGTH,
    MAX_VALUE,
    MIN_VALUE,
    BadIncrement,
    Batch,
    Increment,
    check_key,
    check_range,
)

MAX_FORM_FIELDS = 100

_decode: Callable[[bytes], Increment | list[Increment]] = msgspec.json.Decoder(
    Increment | list[Increment]
).decode

_TOO_DEEP = "JSON is nested too deeply"

_match_plain_form = re.compile(rb"key=([ -$'-*,-~]{1,255})&value=(-?[0-9]{1,18})").fullmatch
"""What nearly every form looks like: printable ASCII with nothing escaped, and a value in range."""


def parse_form(body: bytes) -> Increment:
    """Return the one increment in a form-encoded body.

    Raises:
        BadIncrement: a field is missing, given twice, or out of its limits.
    """
    if plain := _match_plain_form(body):
        key, value = plain.groups()
        return Increment(key.decode(), int(value))
    return _parse_any_form(body)


def _parse_any_form(body: bytes) -> Increment:
    if body.count(b"&") >= MAX_FORM_FIELDS:
        raise BadIncrement(f"more than {MAX_FORM_FIELDS} fields", "body", MAX_FORM_FIELDS)
    key = value = None
    for pair in body.split(b"&"):
        name, _, content = pair.partition(b"=")
        if b"%" in name or b"+" in name:
            name = _unquote(name)
        if name == b"key":
            if key is not None:
                raise BadIncrement("key is given twice", "key", 1)
            key = content
        elif name == b"value":
            if value is not None:
                raise BadIncrement("value is given twice", "value", 1)
            value = content
    if key is None:
        raise BadIncrement("key is missing", "key")
    if value is None:
        raise BadIncrement("value is missing", "value")
    return Increment(_key(_unquote(key)), _value(_unquote(value)))


def parse_json(body: bytes) -> Increment | Batch:
    """Return the increment, or the batch of increments, in a JSON body.

    Raises:
        BadIncrement: the JSON is malformed, or something in it is no increment. Nothing counts.
    """
    try:
        increments = _decode(body)
        if not body.isascii():
            body.decode()  # msgspec does not look into fields that it skips
    except msgspec.ValidationError as error:
        _refuse(error)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadIncrement(f"body is not valid JSON in UTF-8: {error}", "body") from error
    except RecursionError as error:
        raise BadIncrement(_TOO_DEEP, "body") from error
    batch = increments if isinstance(increments, list) else [increments]
    if not batch:
        raise BadIncrement("the batch is empty", "body", 1)
    if len(batch) > MAX_BATCH_LENGTH:
        raise BadIncrement(
            f"the batch has more than {MAX_BATCH_LENGTH} increments", "body", MAX_BATCH_LENGTH
        )
    # Where nothing is escaped and each name stands as often as there are increments, no field can
    # have been given twice and no key can hold NUL. Only other bodies need the slow second look.
    if not (body.count(b'"key"') == body.count(b'"value"') == len(batch) and b"\\" not in body):
        _refuse_repeated_fields(body)
        if any("\0" in increment.key for increment in batch):
            raise BadIncrement("key has a NUL character", "key")
    return Batch(batch, body) if isinstance(increments, list) else increments


def _unquote(content: bytes) -> bytes:
    if b"+" in content:
        content = content.replace(b"+", b" ")
    return unquote_to_bytes(content) if b"%" in content else content


def _key(content: bytes) -> str:
    try:
        key = content.decode()
    except UnicodeDecodeError as error:
        raise BadIncrement("key is not valid UTF-8", "key") from error
    check_key(key)
    return key


def _value(content: bytes) -> int:
    digits = content[1:] if content[:1] in (b"-", b"+") else content
    if not digits.isdigit():
        problem = "is not a whole number" if content else "is empty"
        raise BadIncrement(f"value {problem}", "value")
    digits = digits.lstrip(b"0")[:20]  # more digits are out of range anyway
    value = int(digits or b"0")
    if content[:1] == b"-":
        value = -value
    check_range(value)
    return value


def _refuse(error: msgspec.ValidationError) -> NoReturn:
    """Say in our words what msgspec says as "Expected `int`, got `str` - at `$[3].value`"."""
    message, _, place = str(error).partition(" - at ")
    place = place.strip("`").removeprefix("$")
    at = f" (at {place})" if place else ""
    if missing := re.search(r"missing required field `(\w+)`", message):
        raise BadIncrement(f"{missing[1]} is missing{at}", missing[1]) from error
    field = place.rpartition(".")[2] if "." in place else "body"
    if field == "key" and ">= 1" in message:
        raise BadIncrement(f"key is empty{at}", field, 1) from error
    if field == "key" and "<=" in message:
        limit = MAX_KEY_LENGTH
        raise BadIncrement(f"key is longer than {limit} characters{at}", field, limit) from error
    if field == "value" and "<=" in message:
        raise BadIncrement(f"value is greater than {MAX_VALUE}{at}", field, MAX_VALUE) from error
    if field == "value" and ">=" in message:
        raise BadIncrement(f"value is less than {MIN_VALUE}{at}", field, MIN_VALUE) from error
    expected = {"key": "a string", "value": "a whole number"}.get(
        field, "an object with key and value, or a list of them"
    )
    raise BadIncrement(f"{field} is not {expected}{at}", field) from error


def _refuse_repeated_fields(body: bytes) -> None:
    try:
        # Numbers stay text: those in other fields may be longer than Python converts.
        found = json.loads(body, object_pairs_hook=_names, parse_int=str)
    except RecursionError as error:  # a little earlier than in msgspec
        raise BadIncrement(_TOO_DEEP, "body") from error
    for names in found if isinstance(found, list) else [found]:
        for name in ("key", "value"):
            if names.count(name) > 1:
                raise BadIncrement(f"{name} is given twice", name, 1)


def _names(pairs: list[tuple[str, Any]]) -> tuple[str, ...]:
    return tuple(name for name, _ in pairs)
