"""Pages of a list are found in the index on keys, wherever they begin."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from counters.listing import page_by_key


@pytest.mark.django_db
@pytest.mark.parametrize("is_descending", [False, True])
@pytest.mark.parametrize("after", [None, "abc"])
def test_sqlite_finds_where_a_page_begins_and_reads_no_further(
    after: str | None, is_descending: bool
) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        page_by_key("ab", 10, is_descending=is_descending, after=after)
    (query,) = queries
    bounds = query["sql"].partition("WHERE")[2].partition("ORDER")[0]
    assert bounds.count(">") == 1  # of two, SQLite would look up the first only
    assert bounds.count("<") == 1
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
        plan = str(cursor.fetchall())
    assert "SEARCH" in plan
    assert "numbers_key_index (key>? AND key<?)" in plan
    assert "TEMP B-TREE" not in plan
