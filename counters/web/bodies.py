"""From a request body to increments, or to a sentence that says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from counters.increments import (
    MAX_BATCH_LENGTH,
    MAX_KEY_LENGTH,
    BadIncrement,
    Batch,
    Increment,
    Value,
    check_key,
    key_too_long,
    parse_value,
    why_refused,
)
from counters.repeated_fields import Names, TotalNames, find_escaped, refuse_repeated_fields

MAX_FORM_FIELDS = 100
MAX_FORM_VALUE_BYTES = 10_000
"""Longest value in a form, as it stands there: zeros may lead, and each may be escaped."""
_ESCAPED_BYTES = 3
"""Length of a byte that is escaped: "%41" is "A". To read a million of them takes a tenth of a
second. So where a length tells enough, nothing is unescaped."""
_MAX_FORM_NAME_BYTES = len("value") * _ESCAPED_BYTES
_MAX_FORM_KEY_BYTES = MAX_KEY_LENGTH * 4 * _ESCAPED_BYTES
"""A character has 4 bytes in UTF-8 at the most."""


class _Total(msgspec.Struct, frozen=True, gc=False):
    """What a total is set to."""

    value: Value


_decode_total = msgspec.json.Decoder(_Total).decode
_decode: Callable[[bytes], Increment | list[Increment]] = msgspec.json.Decoder(
    Increment | list[Increment]
).decode

_BOM = b"\xef\xbb\xbf"
"""A byte order mark: some editors begin files with it."""
_looks_like_form = re.compile(rb"(key|value)=").match

_LINE_END = (
    "the body has a line end in it, which a form writes as %0A: leave it out (with curl, --data"
    " leaves out those of a file, and --data-binary does not)"
)
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
    body = body.removeprefix(_BOM)
    if b"\n" in body or b"\r" in body:
        raise BadIncrement(_LINE_END, "body")
    if body.count(b"&") >= MAX_FORM_FIELDS:
        raise BadIncrement(f"more than {MAX_FORM_FIELDS} fields", "body", MAX_FORM_FIELDS)
    key = value = None
    for pair in body.split(b"&"):
        name, _, content = pair.partition(b"=")
        if b"%" in name and len(name) <= _MAX_FORM_NAME_BYTES:
            name = _unquote(name)
        if name == b"key":
            if key is not None:
                raise BadIncrement("key is given twice", "key", 1)
            key = content
        elif name == b"value":
            if value is not None:
                raise BadIncrement("value is given twice", "value", 1)
            value = content
    if key is None and body.startswith((b"{", b"[")):
        sentence = "the body looks like JSON, but Content-Type says a form"
        raise BadIncrement(sentence, "Content-Type")
    if key is None:
        raise BadIncrement("key is missing", "key")
    if value is None:
        raise BadIncrement("value is missing", "value")
    if len(key) > _MAX_FORM_KEY_BYTES:
        raise key_too_long()
    if len(value) > MAX_FORM_VALUE_BYTES:
        limit = MAX_FORM_VALUE_BYTES
        raise BadIncrement(f"value is longer than {limit} bytes", "value", limit)
    return Increment(_key(_unquote(key)), parse_value(_unquote(value)))


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
        raise why_refused(error, "an object with key and value, or a list of them") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if body.startswith(_BOM) and not body.startswith(_BOM * 2):
            return parse_json(body[len(_BOM) :])
        if _looks_like_form(body):
            sentence = "the body looks like a form, but Content-Type says JSON"
            raise BadIncrement(sentence, "Content-Type") from error
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
    # This is `may_repeat_fields`, whose first half is needed again.
    has_escaped = b"\\" in body and find_escaped(body) is not None
    if has_escaped or not (body.count(b'"key"') == body.count(b'"value"') == len(batch)):
        _refuse_repeated(body, len(batch))
    if has_escaped and any("\0" in increment.key for increment in batch):
        raise BadIncrement("key has a NUL character", "key")
    return Batch(batch, body) if isinstance(increments, list) else increments


def parse_total(body: bytes) -> int:
    """Return the value in a JSON body, `{"value": 7}`; other fields are skipped.

    Raises:
        BadIncrement: the JSON is malformed, or it has no value, or not a single one.
    """
    body = body.removeprefix(_BOM)
    try:
        total = _decode_total(body)
        body.decode()
    except msgspec.ValidationError as error:
        raise why_refused(error, "an object with value") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadIncrement(f"body is not valid JSON in UTF-8: {error}", "body") from error
    except RecursionError as error:
        raise BadIncrement(_TOO_DEEP, "body") from error
    _refuse_repeated(body, 1, TotalNames)
    return total.value


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


def _refuse_repeated(body: bytes, increments: int, names: Any = Names | list[Names]) -> None:
    try:
        refuse_repeated_fields(body, increments, names)
    except RecursionError as error:  # a little earlier than before
        raise BadIncrement(_TOO_DEEP, "body") from error
