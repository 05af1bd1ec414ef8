"""The parsers against slow and obvious ones, on whatever Hypothesis thinks of."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote_plus, unquote_to_bytes

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counters.parsing import MAX_VALUE, MIN_VALUE, BadRequest, Increment, parse_form, parse_json

Pair = tuple[str, int]

KEYS = st.text(max_size=300) | st.sampled_from(["key", "a", "é", "\0", "🎉", "x" * 255, "x" * 256])
EDGES = [0, 1, -1, MIN_VALUE, MAX_VALUE, MIN_VALUE - 1, MAX_VALUE + 1, 10**30]
VALUES = st.integers() | st.sampled_from(EDGES)


def _is_increment(key: Any, value: Any) -> bool:
    return (
        type(key) is str
        and 1 <= len(key) <= 255
        and not re.search("[\0\ud800-\udfff]", key)  # half a surrogate pair is no text
        and type(value) is int
        and MIN_VALUE <= value <= MAX_VALUE
    )


def _obvious_form(body: bytes) -> Pair | None:
    """Return the increment in a form, or None where there is not exactly one."""
    fields: dict[bytes, list[bytes]] = {}
    for pair in body.split(b"&"):
        name, _, content = pair.replace(b"+", b" ").partition(b"=")
        name, content = unquote_to_bytes(name), unquote_to_bytes(content)
        fields.setdefault(name, []).append(content)
    keys, values = fields.get(b"key", []), fields.get(b"value", [])
    if len(keys) != 1 or len(values) != 1 or not re.fullmatch(rb"[+-]?[0-9]+", values[0]):
        return None
    try:
        key, value = keys[0].decode(), int(values[0])
    except ValueError:  # no UTF-8, or more digits than Python converts
        return None
    return (key, value) if _is_increment(key, value) else None


def _obvious_json(body: bytes) -> list[Pair] | None:
    """Return the increments in JSON text, or None where it is not wholly made of them."""
    try:
        found = json.loads(body.decode(), object_pairs_hook=lambda pairs: ("object", pairs))
    except (ValueError, RecursionError):
        return None
    pairs = []
    for item in found if isinstance(found, list) else [found]:
        if not isinstance(item, tuple):
            return None
        names = [name for name, _ in item[1]]
        fields = dict(item[1])
        if len(names) != len(fields) or not _is_increment(fields.get("key"), fields.get("value")):
            return None
        pairs.append((fields["key"], fields["value"]))
    return pairs if 1 <= len(pairs) <= 10_000 else None


def _form(body: bytes) -> Pair | None:
    try:
        increment = parse_form(body)
    except BadRequest:
        return None
    return increment.key, increment.value


def _json(body: bytes) -> list[Pair] | None:
    try:
        found = parse_json(body)
    except BadRequest:
        return None
    return [(one.key, one.value) for one in ([found] if isinstance(found, Increment) else found)]


FIELDS = st.tuples(
    st.sampled_from(["key", "value", "other", "k%65y", "value ", ""]),
    st.builds(quote_plus, KEYS.filter(lambda key: key.isprintable()))
    | VALUES.map(str)
    | st.sampled_from(["", "+5", "%2B5", "1.0", "1e3", " 1", "0x1", "%ff", "%", "%zz", "٣", "1_0"]),
)
FORMS = st.lists(FIELDS.map("=".join), max_size=4).map("&".join).map(str.encode)


@settings(deadline=None)
@given(FORMS | st.binary(max_size=100))
@example(b"key=a&value=" + b"9" * 5000)
@example(b"key=a&value=" + b"0" * 5000 + b"1")
@example(b"value=1&key=a&")
def test_a_form_means_what_it_obviously_means(body: bytes) -> None:
    if body.count(b"0") < 4000:  # more than Python's int() converts; ours strips zeros first
        assert _form(body) == _obvious_form(body)


PLAIN = st.none() | st.booleans() | st.floats() | VALUES | KEYS
OBJECTS = st.dictionaries(st.sampled_from(["key", "value", "other"]), PLAIN | st.lists(PLAIN))
INCREMENTS = st.builds(lambda key, value: {"key": key, "value": value}, KEYS, VALUES)


def _dump(thing: Any, ascii_: bool) -> bytes:
    return json.dumps(thing, ensure_ascii=ascii_).encode("utf-8", "surrogatepass")


JSON_BODIES = st.builds(
    _dump,
    OBJECTS | INCREMENTS | st.lists(INCREMENTS, max_size=3) | st.lists(OBJECTS | INCREMENTS),
    st.booleans(),
)


@settings(deadline=None)
@given(JSON_BODIES | st.binary(max_size=100))
@example(b'{"key": "a", "key": "a", "value": 1}')
@example(b'{"key": "a", "value": 1, "value": 1}')
@example(b'{"key": "a\\u0000", "value": 1}')
@example(b'{"key": "\\ud800", "value": 1}')
@example(b'{"key": "a", "value": 1.0}')
@example(b'{"key": "a", "value": 1e0}')
@example(b'{"key": "a", "value": -0}')
@example(b'{"key": "a", "value": true}')
@example(b'{"key": "a", "value": 1}garbage')
@example(b'\xef\xbb\xbf{"key": "a", "value": 1}')
@example(b"[" * 100_000)
def test_json_means_what_it_obviously_means(body: bytes) -> None:
    if b"NaN" not in body and b"Infinity" not in body:  # Python's, not JSON's
        assert _json(body) == _obvious_json(body)


@pytest.mark.parametrize("digits", [18, 19, 20, 4000, 5000])
def test_leading_zeros_do_not_matter(digits: int) -> None:
    assert _form(b"key=a&value=" + b"1".rjust(digits, b"0")) == ("a", 1)
