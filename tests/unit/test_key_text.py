"""Keys as people see them: each has an address of its own, and shows all that is in it."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.utils import unquote
from hypothesis import example, given
from hypothesis import strategies as st

from counters.key_text import from_address, shown, to_address

bytes_ = st.binary(max_size=20)
texts = st.text(max_size=20) | bytes_.map(lambda raw: raw.decode("utf-8", "surrogateescape"))
is_safe = re.compile(r"[\w~-]+").fullmatch


@given(texts.filter(lambda text: not re.search("[\ud800-\udc7f\udd00-\udfff]", text)) | bytes_)
@example(".")
@example("..")
@example("")
@example("~41")
@example(b"")
def test_an_address_leads_back_to_its_key(key: str | bytes) -> None:
    part = to_address(key)
    assert is_safe(part)
    assert from_address(unquote(part)) == key


@given(st.text(max_size=20))
def test_any_address_is_read(part: str) -> None:
    from_address(part)


@given(texts, texts)
@example("a", '"a"')
def test_two_texts_look_different(one: str, other: str) -> None:
    assert (one == other) == (shown(one) == shown(other))


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("a key", "a key"),
        ("é🦊", "é🦊"),
        ("a\\b", "a\\b"),
        ("", '""'),
        ("  ", '"  "'),
        (" a", '" a"'),
        ("a  b", '"a  b"'),
        ("a\n", '"a\\n"'),
        ("\u202ea", '"\\u202ea"'),
        ('"a"', '"\\"a\\""'),
        (b"\x00\xff", "x'00ff'"),
        (None, "NULL"),
        ("NULL", '"NULL"'),
        (-5, "-5"),
    ],
)
def test_nothing_of_a_key_is_hidden(key: object, text: str) -> None:
    assert shown(key) == text
