"""The parsers are compared with slow and obvious ones, on bodies that Hypothesis generates."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from counters.increments import MAX_VALUE, MIN_VALUE, BadIncrement
from counters.web.bodies import parse_form, parse_json
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
@example(b"value=1&key=" + b"%f0%9f%a6%8a" * 255)
@example(b"value=1&key=" + b"%f0%9f%a6%8a" * 255 + b"a")
@example(b"%6b%65%79=a&%76%61%6c%75%65=1")
@example(b"key=a&value=1&%6b%65%79=b")
@example(b"key=a&value=1&%76%61%6c%75%65=1")
@example(b"key=a&value=" + b"%30" * 3332 + b"%31")
@example(b"key=a&value=" + b"%30" * 3333 + b"%31")
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


def _spell(text: str, escaped: set[int]) -> str:
    """Return `text` as a JSON string with the characters at the places `escaped` escaped."""
    spelled = [
        f"\\u{ord(character):04X}" if place in escaped else json.dumps(character)[1:-1]
        for place, character in enumerate(text)
    ]
    return f'"{"".join(spelled)}"'


def _members(pairs: list[tuple[str, str, str]]) -> str:
    return f"{{{','.join(f'{name}{space}:{content}' for name, space, content in pairs)}}}"


ESCAPED = st.just(set[int]()) | st.sets(st.integers(0, 4))
SPACES = st.sampled_from(["", "", " ", "\n\t"])
TEXTS = st.builds(_spell, st.sampled_from(["key", "value", "a", '"key":', '\\"value"']), ESCAPED)
OTHER_NAMES = st.builds(_spell, st.sampled_from(["other", "", "k", "keys", '"key"', "\0"]), ESCAPED)
OTHERS = st.recursive(
    TEXTS | st.just("0.5"),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(TEXTS, SPACES, inner), max_size=3).map(_members)
    ),
    max_leaves=5,
)
KEY_FIELDS = st.tuples(
    st.builds(_spell, st.just("key"), ESCAPED),
    SPACES,
    st.builds(_spell, st.sampled_from(["a", "é", "key", '"', "a\0"]), ESCAPED),
)
VALUE_FIELDS = st.tuples(st.builds(_spell, st.just("value"), ESCAPED), SPACES, st.just("1"))
OTHER_FIELDS = st.tuples(OTHER_NAMES, SPACES, OTHERS)
ODD_INCREMENTS = (
    st.tuples(KEY_FIELDS, VALUE_FIELDS, st.lists(OTHER_FIELDS | KEY_FIELDS | VALUE_FIELDS))
    .flatmap(lambda fields: st.permutations([fields[0], fields[1], *fields[2][:2]]))
    .map(_members)
)
"""Increments whose names are escaped, given twice, or in other fields, too."""


@settings(deadline=None, max_examples=500)
@given(
    ODD_INCREMENTS | st.lists(ODD_INCREMENTS, max_size=3).map(lambda all_: f"[{','.join(all_)}]")
)
def test_names_count_where_they_are_names_of_an_increment(body: str) -> None:
    assert parsed_json(body.encode()) == read_json(body.encode())


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


def _fill(begin: bytes, unit: bytes, end: bytes = b"") -> bytes:
    """Return a body of 1 MiB."""
    return begin + unit * ((2**20 - len(begin) - len(end)) // len(unit)) + end


ESCAPED_NAME = b'{"k\\u0065y":"a","value":1,"x":'
COSTLY = {
    "escaped key": _fill(b"value=1&key=", b"%41"),
    "escaped value": _fill(b"key=a&value=", b"%"),
    "escaped name": _fill(b"key=a&value=1&", b"%41"),
    "arrays": _fill(ESCAPED_NAME + b"[[]", b",[]", b"]}"),
    "objects": _fill(ESCAPED_NAME + b"[{}", b",{}", b"]}"),
    "nested arrays": _fill(ESCAPED_NAME + b"[1", b"," + b"[" * 800 + b"]" * 800, b"]}"),
    "numbers": _fill(ESCAPED_NAME + b"[1", b",1e9", b"]}"),
    "names": _fill(b'{"key":"a","value":1,"x":[{"key":1}', b',{"key":1}', b"]}"),
    "a field again and again": _fill(b'{"value":1', b',"\\u006bey":"a"', b"}"),
    "too many increments": _fill(b'[{"key":"a","value":1}', b',{"key":"a","value":1}', b"]"),
}


@pytest.mark.parametrize("body", COSTLY.values(), ids=COSTLY.keys())
def test_no_body_takes_long_to_look_at(body: bytes) -> None:
    """It takes some 5 ms. All bodies of a turn are looked at one after the other."""
    took_seconds = []
    for _ in range(5):
        began = time.process_time()
        with suppress(BadIncrement):
            (parse_json if body[0] in b"[{" else parse_form)(body)
        took_seconds.append(time.process_time() - began)
    assert min(took_seconds) < 0.04


def test_json_nested_however_deeply_is_read_or_refused() -> None:
    body = b'{"key": "\\u0061", "value": 1, "other": %s%s}'
    depths = [*range(700, 1100), 100_000]
    outcomes = [parsed_json(body % (b"[" * depth, b"]" * depth)) for depth in depths]
    assert outcomes[0] == [("a", 1)]
    assert outcomes[-1] is None
