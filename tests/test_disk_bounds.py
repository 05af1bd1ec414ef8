"""What the folder of journals may hold, however often processes are killed and restarted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from uuid import uuid4

from counters.increments import Increment
from counters.records import Header, record
from counters.sections import increments_section
from tests.testbed.databases import locked
from tests.testbed.replies import Reply
from tests.testbed.requests import JSON
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

MIB = 1024**2
KEYS = [f"{number} {'x' * 90}" for number in range(1000)]
BATCH = json.dumps([{"key": key, "value": 1} for key in KEYS]).encode()
TURN_BYTES = 2 * len(BATCH)
"""More than a journal may go beyond its limit: what comes in one turn, when there is one client."""


def held_bytes(service: Service) -> int:
    return sum(path.stat().st_size for path in service.journal_dir.iterdir())


def fill(service: Service) -> tuple[int, Reply]:
    """Send batches until one is refused; return how many were accepted, and the refusal."""
    accepted = 0
    while (reply := service.post(BATCH, JSON)).status == 200:
        accepted += 1
    return accepted, reply


def test_restarts_while_the_database_is_away_do_not_add_to_what_the_folder_holds(
    start_service: StartService,
) -> None:
    service = start_service(MAX_JOURNAL_BYTES=str(MIB), WEB_CONCURRENCY="1", FLUSH_INTERVAL="0.2")
    accepted = 0
    with locked(service.database):
        for _ in range(4):
            batches, refusal = fill(service)
            accepted += batches
            assert refusal.status == 503
            assert refusal.json()["limit"] == MIB
            assert held_bytes(service) < MIB + TURN_BYTES
            service.kill()
            service.start()
        assert "processes that are gone" in service.post(BATCH, JSON).json()["error"]
        assert service.request("GET", "/readyz").json()["why"] == "full"
        assert held_bytes(service) < MIB + TURN_BYTES
    wait_for(lambda: service.post("key=a&value=0").status == 200, "it to accept", service.log)
    accepted += fill_once(service)
    service.stop()
    assert service.totals() == {**dict.fromkeys(KEYS, accepted), "a": 0}


def fill_once(service: Service) -> int:
    reply = service.post(BATCH, JSON)
    assert reply.status == 200, reply
    return 1


def test_what_a_killed_neighbour_left_takes_room_from_a_living_process(
    start_service: StartService,
) -> None:
    service = start_service(MAX_JOURNAL_BYTES=str(MIB), WEB_CONCURRENCY="1")
    other = Service(
        service.folder / "other",
        **{
            name: service.environment[name]
            for name in ("DATABASE_URL", "JOURNAL_DIR", "MAX_JOURNAL_BYTES", "WEB_CONCURRENCY")
        },
    )
    service.increment("a")
    with locked(service.database):
        with other:
            fill(other)
        wait_for(
            lambda: service.post("key=a&value=0").status == 503,
            "the living process to notice",
            service.log,
        )
    wait_for(lambda: service.post("key=a&value=0").status == 200, "it to accept", service.log)


def test_files_that_nobody_can_count_take_no_room(start_service: StartService) -> None:
    service = start_service(MAX_JOURNAL_BYTES=str(MIB), WEB_CONCURRENCY="1")
    service.increment("a")
    strange = Header(os.urandom(16)).encode(), b"incrementer journal 4\n", b"photos"
    for content in strange:
        path = service.journal_dir / f"{uuid4().hex}.journal"
        path.write_bytes(content + b"?" * MIB)
    sparse = leave(service, Header().encode())
    os.truncate(sparse, 2**30)
    wait_for(lambda: not sparse.exists(), "the long one to be recovered", service.log)
    wait_for(lambda: service.log().count("is kept, and not counted yet") == 3, "all complaints")
    service.increment("a")
    service.wait_for_totals({"a": 2})


def leave(service: Service, *parts: bytes, suffix: str = ".journal") -> Path:
    """Write a file into the folder of journals, as a process that is gone may have left it."""
    service.journal_dir.mkdir(exist_ok=True)
    path = service.journal_dir / (uuid4().hex + suffix)
    path.write_bytes(b"".join(parts))
    return path


def test_copies_of_damaged_bytes_have_a_bound_and_what_is_whole_counts(tmp_path: Path) -> None:
    service = Service(tmp_path, MAX_JOURNAL_BYTES=str(MIB), WEB_CONCURRENCY="1")
    header = Header()
    whole = record(header.mark, increments_section([Increment("a", 1)]))
    damaged = b"?" * (MIB * 3 // 5)
    journals = [leave(service, header.encode(), damaged, whole) for _ in range(3)]
    foreign = service.journal_dir / "notes.corrupt"
    foreign.write_bytes(b"figures")
    with service:
        service.wait_for_totals({"a": 3})
        wait_for(lambda: not any(map(Path.exists, journals)), "the recovery", service.log)
        service.increment("a")
        service.wait_for_totals({"a": 4})
    kept = set(service.journal_dir.glob("*.corrupt")) - {foreign}
    assert [path.read_bytes() for path in kept] == [damaged]
    assert service.log().count("and kept in") == 1
    assert service.log().count("no copy is kept") == 2


def test_unfinished_copies_of_killed_processes_go(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.increment("a")
    (living,) = service.journal_dir.glob("*.journal")
    foreign = service.journal_dir / "notes.corrupt.draft"
    being_made = living.with_suffix(".100-200.corrupt.draft")
    folder = service.journal_dir / f"{uuid4().hex}.8-9.corrupt.draft"
    folder.mkdir()
    for path in foreign, being_made:
        path.write_bytes(b"figures")
    left = leave(service, suffix=".100-200.corrupt.draft")
    wait_for(lambda: not left.exists(), "the unfinished copy to go", service.log)
    service.increment("a")
    service.wait_for_totals({"a": 2})
    for path in foreign, folder, being_made:
        assert path.exists(), path
