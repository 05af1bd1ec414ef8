"""The journal's format: what was written is read back, and damage costs only what it hits."""

from __future__ import annotations

import random
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from struct import pack
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counters import sections
from counters.increments import MAX_VALUE, MIN_VALUE, Increment
from counters.reader import Contents, read_records
from counters.records import (
    Header,
    JournalUnreadable,
    read_header,
    record,
)

FORMAT_2 = Path(__file__).parent.parent / "fixtures" / "format2"
FORMAT_1 = Path(__file__).parent.parent / "fixtures" / "format1"
HEADER = Header()
KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255)
VALUES = st.integers(MIN_VALUE, MAX_VALUE)


def increments_section(increments: Sequence[Increment]) -> bytes:
    return b"".join(sections.increments_section(increments))


def batch_section(json: bytes) -> bytes:
    return b"".join(sections.batch_section(json))


def read(data: bytes, *, position: int = 0, past_damage: bool = True) -> Contents:
    file = BytesIO(data)
    header = read_header(file)
    if header is None:
        return Contents(file, HEADER, position)
    return read_records(file, header, position, len(data), past_damage=past_damage)


def journal(count: int = 20) -> tuple[bytes, list[int]]:
    """Return a journal of `count` records, the place where each begins, and the journal's end.

    Record n adds 1 to the key "n", as a section of increments or as a batch.
    """
    data, places = HEADER.encode(), [HEADER.size]
    for n in range(count):
        section = (
            increments_section([Increment(str(n), 1)])
            if n % 2
            else batch_section(b'[{"key":"%d","value":1}]' % n)
        )
        data += record(HEADER.mark, [section])
        places.append(len(data))
    return data, places


@given(st.lists(st.builds(Increment, KEYS, VALUES), max_size=20), st.booleans())
def test_what_was_written_is_read_back(increments: list[Increment], apart: bool) -> None:
    parts = [[each] for each in increments] if apart else [increments]
    data = HEADER.encode() + record(HEADER.mark, [increments_section(part) for part in parts])
    contents = read(data)
    expected: dict[str, int] = {}
    for increment in increments:
        expected[increment.key] = expected.get(increment.key, 0) + increment.value
    if increments:
        assert (contents.increments, contents.damaged) == (len(increments), [])
    assert contents.deltas == expected


def test_any_flipped_bit_costs_at_most_the_record_that_it_is_in() -> None:
    data, places = journal()
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << random.randrange(8)
        contents = read(bytes(flipped))
        hit = [n for n in range(20) if places[n] <= place < places[n + 1]]
        assert set(contents.deltas) == {str(n) for n in range(20) if n not in hit}
        assert contents.damaged == [(places[n], places[n + 1]) for n in hit]
        assert contents.end == len(data)


def test_no_wrong_byte_in_the_header_costs_anything() -> None:
    data, _ = journal(3)
    for place in range(HEADER.size):
        for byte in range(256):
            wrong = data[:place] + bytes([byte]) + data[place + 1 :]
            assert read(wrong).increments == 3, (place, byte)


def test_a_torn_end_costs_at_most_the_record_that_it_is_in() -> None:
    data, places = journal()
    for cut in range(len(data)):
        contents = read(data[:cut])
        whole = [n for n in range(20) if places[n + 1] <= cut]
        assert set(contents.deltas) == set(map(str, whole))
        assert sum(end - begin for begin, end in contents.damaged) == (
            max(0, cut - places[len(whole)])
        )


@given(st.data())
def test_whatever_is_damaged_the_other_records_count(data: st.DataObject) -> None:
    whole, places = journal()
    begin = data.draw(st.integers(HEADER.size, len(whole) - 1))
    end = data.draw(st.integers(begin + 1, min(len(whole), begin + 200)))
    instead = data.draw(st.sampled_from(["zeros", "nothing", "noise", "an earlier piece"]))
    middle = {
        "zeros": bytes(end - begin),
        "nothing": b"",
        "noise": data.draw(st.binary(min_size=1, max_size=300)),
        "an earlier piece": whole[HEADER.size : HEADER.size + end - begin],
    }[instead]
    contents = read(whole[:begin] + middle + whole[end:])
    untouched = {str(n) for n in range(20) if places[n + 1] <= begin or places[n] >= end}
    assert untouched <= set(contents.deltas)


def test_a_key_that_looks_like_a_record_is_not_read_as_one() -> None:
    """A client can send a whole record in a key, but does not know the file's mark."""
    forged = record(Header().mark, [increments_section([Increment("forged", 1)])])
    key = forged.decode("latin1")
    damaged = bytearray(record(HEADER.mark, [increments_section([Increment(key, 1)])]))
    damaged[20] ^= 1
    good = record(HEADER.mark, [increments_section([Increment("good", 1)])])
    contents = read(HEADER.encode() + bytes(damaged) + good)
    assert dict(contents.deltas) == {"good": 1}
    assert contents.damaged == [(HEADER.size, HEADER.size + len(damaged))]


def test_nothing_is_skipped_in_the_journal_of_a_living_process() -> None:
    data, places = journal()
    flipped = bytearray(data)
    flipped[places[5]] ^= 1
    contents = read(bytes(flipped), past_damage=False)
    assert set(contents.deltas) == set(map(str, range(5)))
    assert (contents.end, contents.damaged) == (places[5], [])


@pytest.mark.parametrize("kind", [b"R", b"\0", b"i"])
def test_an_unknown_kind_is_a_newer_version_and_nothing_counts(kind: bytes) -> None:
    data, _ = journal(3)
    known = increments_section([Increment("known", 1)])
    with pytest.raises(JournalUnreadable, match="newer version"):
        read(data + record(HEADER.mark, [known, kind + pack("<I", 3) + b"new"]))


@pytest.mark.parametrize(
    "content",
    [
        b"I",
        b"I" + pack("<I", 100) + b"short",
        b"I" + pack("<I", 4) + pack("<I", 2**31),
        b"I" + pack("<I", 15) + pack("<IqH", 1, 5, 2) + b"a",
        b"I" + pack("<I", 15) + pack("<IqH", 1, 5, 1) + b"\xff",
        b"J" + pack("<I", 8) + b"nonsense",
        b"J" + pack("<I", 34) + b'[{"key":"a","value":%d}]' % 2**63,
    ],
)
def test_a_wrong_content_behind_a_right_checksum_is_damage(content: bytes) -> None:
    data, _ = journal(3)
    wrong = record(HEADER.mark, [content])
    contents = read(data + wrong + record(HEADER.mark, [increments_section([Increment("z", 1)])]))
    assert set(contents.deltas) == {"0", "1", "2", "z"}
    assert contents.damaged == [(len(data), len(data) + len(wrong))]


@pytest.mark.parametrize(
    "data",
    [b"", b"incre", b"incrementer journal 1", HEADER.encode()[:60], HEADER.encode()[:99]],
    ids=lambda data: f"{len(data)} bytes",
)
def test_a_header_that_was_not_finished_holds_nothing(data: bytes) -> None:
    assert read(data).increments == 0


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"holiday photos", "is not a journal"),
        (bytes(200), "is not a journal"),
        (b"incrementer journal 4\n" + bytes(100), "newer version"),
        (b"incrementer journal 4\n", "newer version"),
        (b"incrementer journal 2\n" + bytes(100), "is not a journal"),
    ],
)
def test_what_is_no_journal_of_a_known_format_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(JournalUnreadable, match=said):
        read(data)


# What `whole.journal` holds, written by the last version that wrote format 1.
WRITTEN_IN_FORMAT_1 = {
    "a": 3 + 4 + 10,
    "é🦊": -5 - 1,
    "k" * 255: MAX_VALUE,
    "🦊": MIN_VALUE,
    "line\nbreak": 1,
}


def test_format_1_is_still_read() -> None:
    contents = read((FORMAT_1 / "whole.journal").read_bytes())
    assert contents.deltas == WRITTEN_IN_FORMAT_1
    assert contents.damaged == []


def test_format_2_is_still_read() -> None:
    contents = read((FORMAT_2 / "whole.journal").read_bytes())
    assert contents.deltas == WRITTEN_IN_FORMAT_1
    assert contents.damaged == []


def test_format_1_counts_up_to_the_first_damaged_record() -> None:
    torn = read((FORMAT_1 / "torn.journal").read_bytes())
    assert torn.deltas == {
        key: total for key, total in WRITTEN_IN_FORMAT_1.items() if key != "line\nbreak"
    }
    flipped = (FORMAT_1 / "flipped.journal").read_bytes()
    assert read(flipped).deltas == {"a": 3}
    assert read(flipped).damaged == [(42, len(flipped))]


def test_format_1_with_an_unknown_kind_is_a_newer_version() -> None:
    payload = b"Xnew"
    data = (FORMAT_1 / "whole.journal").read_bytes()
    with pytest.raises(JournalUnreadable, match="newer version"):
        read(data + pack("<II", len(payload), crc32(payload)) + payload)


def test_reading_knows_no_limits_of_requests() -> None:
    long = "k" * 60_000
    data = HEADER.encode() + record(
        HEADER.mark, [batch_section(b'[{"key":"%s","value":1}]' % long.encode())]
    )
    assert read(data).deltas == {long: 1}


def test_a_batch_is_read_again_however_deep_the_stack_is() -> None:
    """What a client nests was accepted on a flat stack; a flush may stand on a deeper one."""

    def at_depth(depth: int, json: bytes) -> Contents:
        if depth:
            return at_depth(depth - 1, json)
        return read(HEADER.encode() + record(HEADER.mark, [batch_section(json)]))

    nested = b'[{"key":"a","value":1,"other":%s%s}]' % (b"[" * 500, b"]" * 500)
    assert at_depth(600, nested).deltas == {"a": 1}
