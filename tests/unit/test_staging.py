"""Rows of an import, staged: what a replacing one looks up of them while it keeps flushes out."""

from __future__ import annotations

from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from counters.config import config
from counters.dialects.staging import Rows
from counters.identity import totals_ids
from counters.importing import replace_all
from counters.models import Number
from counters.refused_files import keep_refused, name_refused, refused_draft, refused_files


@pytest.mark.django_db(transaction=True)
def test_refused_keys_are_looked_up_among_many_rows_by_an_index() -> None:
    """A scan for each 500 of them would hold up every flush for half a minute."""
    folder = config().journal_dir
    folder.mkdir(exist_ok=True)
    ids = totals_ids()
    draft = refused_draft(folder, uuid4().hex, 0)
    keep_refused(draft, {"bad": 1, "key 5": 1}, ids.own, max_bytes=2**20)
    assert name_refused(draft)
    keys = [f"key {number}" for number in range(1000)]
    try:
        with CaptureQueriesContext(connection) as queries:
            replace_all([Rows(range(1000), keys, range(1000))])
        (rest,) = refused_files(folder, ids.accepted)
        assert b"key 5" not in rest.read_bytes()
    finally:
        for path in refused_files(folder, ids.accepted):
            path.unlink()
    assert Number.objects.get(key="key 5").value == 5
    statements = [query["sql"] for query in queries]
    (lookup,) = [sql for sql in statements if "SELECT DISTINCT key" in sql]
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {lookup}")
        assert "counters_import USING COVERING INDEX" in str(cursor.fetchall())
    (index,) = [n for n, sql in enumerate(statements) if "CREATE INDEX" in sql]
    *_, begin = [n for n, sql in enumerate(statements) if sql.startswith("BEGIN IMMEDIATE")]
    assert index < begin
