"""What is exported and imported again is what was there: for every key that can exist."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from counters.exporting import FORMATS, export
from counters.imported_rows import read_csv, read_ndjson
from counters.importing import add_all, replace_all
from counters.increments import MAX_KEY_LENGTH, MAX_VALUE, MIN_VALUE
from counters.models import Number

pytestmark = pytest.mark.django_db(transaction=True)

READERS = {"csv": read_csv, "ndjson": read_ndjson}

odd = st.sampled_from(
    ["\r", "\n", "\r\n", '"', '""', ",", " ", "=", "\ufeff", "\u2028", "\x85", "\\", "key", "🎉"]
)
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
keys = (
    st.lists(odd | texts, min_size=1)
    .map("".join)
    .filter(bool)
    .map(lambda key: key[:MAX_KEY_LENGTH])
)
values = st.integers(MIN_VALUE, MAX_VALUE)


@pytest.mark.parametrize("format_", FORMATS)
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(totals=st.dictionaries(keys, values))
@example(totals={"\ufeff": 0, "\r": -1, "x" * 255: MAX_VALUE, '"': MIN_VALUE})
def test_export_and_import_into_an_empty_table_is_the_identity(
    format_: str, totals: dict[str, int]
) -> None:
    Number.objects.all().delete()
    Number.objects.bulk_create(Number(key=key, value=value) for key, value in totals.items())
    exported = b"".join(export(format_))
    for import_all in replace_all, add_all:
        Number.objects.all().delete()
        done = import_all(READERS[format_](BytesIO(exported)))
        assert done.rows == len(totals)
        assert dict(Number.objects.values_list("key", "value")) == totals
    assert b"".join(export(format_)) == exported


class Slow(BytesIO):
    """A file of which each read brings a byte or two."""

    def read1(self, size: int | None = -1) -> bytes:
        return self.read(min(size or 2, 2))


@pytest.mark.parametrize("format_", FORMATS)
def test_it_does_not_matter_how_a_file_arrives(format_: str) -> None:
    totals = {"\r\n\r\n": 1, "a\r": 2, "é🎉": 3, '"\n"': 4}
    Number.objects.bulk_create(Number(key=key, value=value) for key, value in totals.items())
    exported = b"".join(export(format_))
    parts = READERS[format_](Slow(exported))
    found = {key: value for part in parts for _, key, value in zip(*part, strict=True)}
    assert found == totals
