"""The parsers are compared with slow and obvious ones, on bodies that Hypothesis generates."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counters.increments import MAX_VALUE, MIN_VALUE
from tests.fuzz.obvious import read_form, read_json
from tests.fuzz.parsers import parsed_form, parsed_json

KEYS = st.text(max_size=300) | st.sampled_from(["key", "a", "é", "\0", "🎉", "x" * 255, "x" * 256])
EDGES = [0, 1, -1, MIN_VALUE, MAX_VALUE, MIN_VALUE - 1, MAX_VALUE + 1, 10**30]
VALUES = st.integers() | st.sampled_from(EDGES)


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
    assert parsed_form(body) == read_form(body)


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
@example(b'{"key": "\\u0061", "value": 1, "other": %s}' % (b"1" * 5000))
@example(b'{"key": "\\u0061", "value": 1, "other": "\xff"}')
@example(b'{"key": "a", "value": 1, "other": "\xff"}')
@example(b'{"key": "a", "value": 1, "other": 1, "other": 1}')
@example(b'{"key": "\\u0061", "value": 1, "other": 1, "other": 1}')
@example(b'{"key": "a", "value": 1, "other": {"key": 1, "key": 1}}')
@example(b'\xef\xbb\xbf{"key": "a", "value": 1}')
@example(b"[" * 100_000)
def test_json_means_what_it_obviously_means(body: bytes) -> None:
    assert parsed_json(body) == read_json(body)


@pytest.mark.parametrize("digits", [18, 19, 20, 4000, 5000])
def test_leading_zeros_do_not_matter(digits: int) -> None:
    assert parsed_form(b"key=a&value=" + b"1".rjust(digits, b"0")) == ("a", 1)


def test_json_nested_however_deeply_is_read_or_refused() -> None:
    body = b'{"key": "\\u0061", "value": 1, "other": %s%s}'
    depths = [*range(700, 1100), 100_000]
    outcomes = [parsed_json(body % (b"[" * depth, b"]" * depth)) for depth in depths]
    assert outcomes[0] == [("a", 1)]
    assert outcomes[-1] is None
