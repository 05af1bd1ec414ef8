"""Rows of an import that are none: the first one is named, with its field."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest

from counters.imported_rows import BadRow, read_csv, read_database, read_ndjson

MIN, MAX = -(2**63), 2**63 - 1


def as_file(text: str | bytes) -> BytesIO:
    return BytesIO(text if isinstance(text, bytes) else text.encode())


def refusal(parts: Iterator[object]) -> str:
    with pytest.raises(BadRow) as refused:
        list(parts)
    return str(refused.value)


MANY = "".join(f"key {number},{number}\r\n" for number in range(2, 12_000))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the header is not key,value"),
        ("a,1\n", "line 1: the header is not key,value"),
        ("key,value\na,\n", "line 2: value is empty"),
        ("key,value\n,1\n", "line 2: key is empty"),
        ("key,value\n\n\na,1.5\n", "line 4: value is not a whole number"),
        ('key,value\n"a\r\nb\nc\rd",1\nx, 1\n', "line 6: value is not a whole number"),
        (f"key,value\r\n{MANY}x,1e5\r\ny,z\r\n", "line 12000: value is not a whole number"),
        (f"key,value\na,{MAX + 1}\n", f"line 2: value is greater than {MAX}"),
        (f"key,value\na,{'9' * 5000}\n", f"line 2: value is greater than {MAX}"),
        (f"key,value\na,{MIN - 1}\n", f"line 2: value is less than {MIN}"),
        ("key,value\na,٣\n", "line 2: value is not a whole number"),
        ("key,value\na,1_0\n", "line 2: value is not a whole number"),
        (f"key,value\n{'x' * 256},1\n", "line 2: key is longer than 255 characters"),
        ("key,value\na\0b,1\n", "line 2: key has a NUL character"),
        (b"key,value\nok,1\na\xff,1\n", "line 3: key is not valid UTF-8"),
        ("key,value\na,1,2\n", "line 2: it has not two fields, key and value, but 3"),
        ("key,value\na\n", "line 2: it has not two fields, key and value, but 1"),
        ('key,value\na,x\n"b,1\nc,2\n', "line 2: value is not a whole number"),
        ('key,value\na,1\n"b"c,1\n', "line 3: it is malformed"),
        ('key,value\na,1\n"b,1\nc,2\n', "it is malformed"),
        (f"key,value\na,1\n{'x' * 70_000},1\n", "line 3: key is longer than 255 characters"),
    ],
)
def test_the_first_bad_row_of_a_csv_is_named(text: str | bytes, said: str) -> None:
    assert said in refusal(read_csv(as_file(text)))


LINES = '{"value": 1, "key": "a"}\n' * 12_000


def test_fields_that_only_look_as_if_they_were_given_twice_are_none() -> None:
    odd = '{"key": "key", "value": 1, "x": {"value": 2, "key": ["value"]}}\n'
    parts = list(read_ndjson(as_file(f'{LINES}{odd}{{"key": "\\u0061", "value": 3}}')))
    keys = [key for rows in parts for key in rows.keys]
    assert keys == ["a"] * 12_000 + ["key", "a"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"key": "a"}', "line 1: value is missing"),
        ('{"value": 1}', "line 1: key is missing"),
        ('{"key": "a", "value": 1}\n\n{"key": "", "value": 1}', "line 3: key is empty"),
        ('{"key": 5, "value": 1}', "line 1: key is not a string"),
        ('{"key": "a", "value": "1"}', "line 1: value is not a whole number"),
        ('{"key": "a", "value": 1.0}', "line 1: value is not a whole number"),
        (f'{{"key": "a", "value": {MAX + 1}}}', f"line 1: value is greater than {MAX}"),
        (f'{{"key": "{"x" * 256}", "value": 1}}', "line 1: key is longer than 255 characters"),
        ('{"key": "\\u0000", "value": 1}', "line 1: key has a NUL character"),
        ('{"key": "\\ud800", "value": 1}', "line 1: it is not valid JSON in UTF-8"),
        (b'{"key": "a", "value": 1}\n{"key": "\xff", "value": 1}', "line 2: it is not valid JSON"),
        ('{"key": "a", "value": 1, "value": 1}', "line 1: value is given twice"),
        (f'{LINES}{{"key": "a", "value": 1, "key": "a"}}', "line 12001: key is given twice"),
        ('{"key": "a", "\\u0076alue": 1, "value": 2}', "line 1: value is given twice"),
        (b'{"key": "a", "value": 1}\n{"key": "b", "value": 1, "x": "\xff"}', "line 2: x is not"),
        (b'{"key": "a", "value": 1, "\xff": "x"}', "line 1: it is not valid JSON in UTF-8"),
        ("[1]", "line 1: it is not an object with key and value"),
        ("key,value\na,1", "line 1: it is not valid JSON in UTF-8"),
        ('{"x": ' + "[" * 60_000, "line 1: it is not valid JSON in UTF-8"),
        ("x" * 70_000, "line 1: it is longer than 65536 bytes"),
    ],
)
def test_the_first_bad_row_of_an_ndjson_is_named(text: str | bytes, said: str) -> None:
    assert said in refusal(read_ndjson(as_file(text)))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ((b"x", 1), "row 2: key is not a string"),
        ((None, 1), "row 2: key is not a string"),
        (("", 1), "row 2: key is empty"),
        (("b", "1"), "row 2: value is not a whole number"),
        (("b", None), "row 2: value is not a whole number"),
        (("b", 1.5), "row 2: value is not a whole number"),
    ],
)
def test_a_bad_row_of_a_database_is_named(
    tmp_path: Path, row: tuple[object, object], said: str
) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE numbers (key, value)")
        database.executemany("INSERT INTO numbers VALUES (?, ?)", [("a", 1), row])
        database.commit()
    assert said in refusal(read_database(path))
