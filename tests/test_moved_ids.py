"""The ids of requests move with the totals, from one kind of database to the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.testbed.postgresql import new_database
from tests.testbed.service import NEVER, Service

IDS = (str(uuid4()), "no UUID")


@pytest.mark.parametrize("from_sqlite", [True, False])
def test_what_was_counted_in_the_old_database_is_not_counted_again_in_the_new_one(
    tmp_path: Path, postgresql: Any, from_sqlite: bool
) -> None:
    on_postgresql = {"DATABASE_URL": new_database(postgresql)}
    kinds: list[dict[str, str]] = [{}, on_postgresql] if from_sqlite else [on_postgresql, {}]
    old, new = (
        Service(tmp_path / str(place), FLUSH_INTERVAL=NEVER, **kind)
        for place, kind in enumerate(kinds)
    )
    dump = tmp_path / "dump.json"
    old.manage("migrate", "-v0")
    with old:
        send(old)
        old.stop()
    old.manage("dumpdata", "counters", "--output", str(dump))
    new.manage("migrate", "-v0")
    new.manage("loaddata", str(dump))
    with new:
        send(new)
        new.stop()
    assert old.totals() == new.totals() == {"a": 2}


def send(service: Service) -> None:
    for id_ in IDS:
        assert service.post("key=a&value=1", **{"Idempotency-Key": id_}).status == 200
