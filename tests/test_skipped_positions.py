"""A trigger that skips rows of `positions`: nothing counts, rather than twice, and it is told."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.testbed.service import NEVER, Service


def change(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(script)


@pytest.mark.parametrize(
    "when", ["INSERT ON positions", "UPDATE ON positions WHEN new.position > old.position"]
)
def test_a_flush_whose_position_cannot_move_adds_nothing(tmp_path: Path, when: str) -> None:
    service = Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        service.increment("a")
        change(
            service.database, f"CREATE TRIGGER no BEFORE {when} BEGIN SELECT RAISE (IGNORE); END"
        )
        for _ in range(2):
            told = service.manage("flushnumbers", code=1)
            assert "Table 'positions' has a trigger that skips rows" in told
            assert "Traceback" not in told
        assert service.totals() == {}
        change(service.database, "DROP TRIGGER no")
        service.stop()
    assert "Traceback" not in service.log()
    assert service.totals() == {"a": 1}
