"""What `Idempotency-Key` may be: ids in both forms, and their times."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from counters.web import idempotency
from counters.web.idempotency import id_of
from counters.web.replies import Reply
from tests.fuzz.obvious import read_id
from tests.fuzz.parsers import parsed_id

NOW_SECONDS = 1_800_000_000.0
HOUR_SECONDS = 3600


def refusal(sent: str) -> tuple[int, Any]:
    """Return the status and the limit with which a header's value is refused."""
    found = id_of(sent)
    assert isinstance(found, Reply), found
    detail = json.loads(found.body)
    assert detail["field"] == "Idempotency-Key"
    return found.status, detail["limit"]


def uuid7(hours: float) -> str:
    """Return a UUIDv7 of so many hours after now."""
    digits = f"{round((NOW_SECONDS + hours * HOUR_SECONDS) * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


@pytest.mark.parametrize(
    "sent",
    [
        *("a;b c", '"a;b c"', ' \t"a;b c" ', '"a;b c";foo', '"a;b c";foo=1; bar="x;\\"";*=?0'),
        *('"a;b c";a=tok/en;a=:aGk=:;a=-1.5', '"a;b c";a=@1659578233;b=%"f%c3%bc"'),
    ],
)
def test_the_same_id_in_each_form_is_one(sent: str) -> None:
    assert id_of(sent) == "a;b c"


@pytest.mark.parametrize("sent", ['a"\\', '"a\\"\\\\"', '"a\\"\\\\";b'])
def test_escapes_stand_for_what_they_are(sent: str) -> None:
    assert id_of(sent) == 'a"\\'


@pytest.mark.parametrize(
    ("sent", "limit"),
    [
        *(("", 1), (" \t", 1), ('""', 1), ('"";a', 1)),
        *(("a" * 65, 64), ('"' + "a" * 65 + '"', 64), ("é", 64), ("a\tb", 64), ('"\x7f"', 64)),
        *(('"a', 64), ('"', 64), ('"a"b', 64), ('"a" ;b', 64), ('"a";B', 64), ('"a\\b"', 64)),
        *(('"a";', 64), ('"a";b=', 64), ('"a";b=\xff', 64), ('"a\\"', 64)),
        *(("a" * 1001, 1000), ('"a"' + ";a" * 500, 1000)),
        *(("a,b", 1), (",", 1), ("a,", 1), ('"a","a"', 1), ('"a";b , c', 1), ('"a",', 1)),
    ],
)
def test_what_is_no_id_is_refused_with_the_limit(sent: str, limit: int) -> None:
    assert refusal(sent) == (400, limit)


@given(st.text('ab "\\,\t\x7fé', max_size=12) | st.text(max_size=70).map('"{}"'.format))
@example('"' + '\\"' * 64 + '"')
@example('"' + "a" * 65 + '"')
def test_ids_are_what_an_obvious_reader_finds(sent: str) -> None:
    if ";" not in sent:
        assert parsed_id(sent) == read_id(sent)


@pytest.mark.parametrize("begin", ['"', '"a"', '"a";b="', '"a";b'])
@pytest.mark.parametrize("part", ["\\\\", ";a=1", ';a="x', ";a=:a:", "1", ' ;a="', "-", ";"])
def test_no_header_is_costly_to_look_at(begin: str, part: str) -> None:
    began = time.process_time()
    id_of(begin + part * (60_000 // len(part)) + "!\x7e")
    assert time.process_time() - began < 0.2


@pytest.mark.parametrize(
    ("hours", "status", "limit"),
    [(-24.01, 409, 24), (-1000, 409, 24), (1.01, 400, 1), (1000, 400, 1)],
)
def test_an_id_of_another_time_is_refused(
    monkeypatch: pytest.MonkeyPatch, hours: float, status: int, limit: int
) -> None:
    monkeypatch.setattr(idempotency, "now_seconds", lambda: NOW_SECONDS)
    assert refusal(uuid7(hours)) == (status, limit)
    assert refusal(f'"{uuid7(hours).upper()}"') == (status, limit)


def test_an_id_of_now_or_without_a_time_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "now_seconds", lambda: NOW_SECONDS)
    for hours in (-23.99, 0, 0.99):
        assert id_of(uuid7(hours)) == uuid7(hours)
    for other in (
        uuid7(-1000).replace("-7", "-4", 1),  # random, as version 4
        uuid7(-1000).replace("-8", "-0", 1),  # of another variant
        uuid7(-1000)[1:],
        uuid7(-1000).replace("-", "_"),
    ):
        assert id_of(other) == other
