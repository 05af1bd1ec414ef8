"""The client's spool: whose its batches are, what stands in it, and its bound."""

from __future__ import annotations

import errno
import fcntl
import json
import time
from pathlib import Path
from uuid import UUID

import pytest

from incrementer_client import Counter
from incrementer_client.spool import Spool
from incrementer_client.uuid7 import uuid7
from tests.testbed.client_programs import client_process, run_client
from tests.testbed.ports import free_port
from tests.testbed.stand_in import RETENTION_SECONDS, Order, StandIn
from tests.testbed.waiting import wait_for

LONG_AGO = str(UUID(int=uuid7().int - ((RETENTION_SECONDS + 3600) * 1000 << 80)))
"""A UUIDv7 that the service refuses."""


def leave(spool: Path, name: str, key: str) -> Path:
    """Leave a batch in the spool, as a process that is gone would."""
    folder = spool / f"owner-{uuid7()}"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    (folder / name).write_bytes(json.dumps([{"key": key, "value": 2}]).encode())
    return folder / name


def files(spool: Path) -> list[Path]:
    return [path for path in spool.rglob("*") if path.is_file()]


def batches(spool: Path) -> list[Path]:
    return [*spool.rglob("*.waiting"), *spool.rglob("*.sent")]


def test_a_batch_is_whole_on_disk_before_it_is_sent(stand_in: StandIn, spool: Path) -> None:
    stand_in.orders.extend([Order(503)] * 1000)
    counter = Counter(stand_in.url, spool=spool, interval_seconds=0, max_pause_seconds=0.01)
    counter.increment("a", 5)
    stand_in.wait_for_requests(2)
    (path,) = batches(spool)
    assert path.name == f"{stand_in.received[0].id}.1.sent"
    assert path.read_bytes() == stand_in.received[0].body
    assert path.stat().st_mode & 0o777 == 0o600
    stand_in.orders.clear()
    assert counter.close(30) == 0
    assert files(spool) == []
    assert len({each.id for each in stand_in.received}) == 1


def test_what_close_leaves_is_counted_by_the_next_process(stand_in: StandIn, spool: Path) -> None:
    with Counter(f"http://127.0.0.1:{free_port()}", spool=spool) as away:
        for i in range(10):
            away.increment(f"key:{i % 2}")
        assert away.close(0.1) == 10
    assert len(batches(spool)) == 1
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("own")
    assert stand_in.totals == {"key:0": 5, "key:1": 5, "own": 1}
    assert counter.stats().sent == 11


def test_close_with_no_time_puts_all_into_the_spool(spool: Path) -> None:
    counter = Counter(f"http://127.0.0.1:{free_port()}", spool=spool, batch_keys=2)
    for i in range(9):
        counter.increment(f"key:{i}")
    assert counter.close(0) == 9
    found = [each for path in batches(spool) for each in json.loads(path.read_bytes())]
    assert {each["key"] for each in found} == {f"key:{i}" for i in range(9)}


def test_what_was_never_sent_gets_a_new_id_however_old_it_is(
    stand_in: StandIn, spool: Path
) -> None:
    leave(spool, f"{LONG_AGO}.3.waiting", "old")
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("own")
    assert stand_in.totals == {"old": 2, "own": 1}
    assert LONG_AGO not in {each.id for each in stand_in.received}


def test_what_was_sent_keeps_its_id_and_is_set_aside_when_that_is_too_old(
    stand_in: StandIn, spool: Path
) -> None:
    young = str(uuid7())
    leave(spool, f"{LONG_AGO}.3.sent", "old")
    leave(spool, f"{young}.3.sent", "young")
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("own")
    assert stand_in.totals == {"young": 2, "own": 1}
    assert {LONG_AGO, young} < {each.id for each in stand_in.received}
    (kept,) = files(spool)
    assert kept.name == f"{LONG_AGO}.409.json"
    assert counter.stats().refused == 3


def test_an_address_where_nobody_listens_makes_no_id_old(spool: Path) -> None:
    counter = Counter(f"http://127.0.0.1:{free_port()}", spool=spool, interval_seconds=0)
    counter.increment("a")
    counter.close(0.3)
    assert [path.suffix for path in batches(spool)] == [".waiting"]


def test_a_draft_that_was_never_finished_is_removed(stand_in: StandIn, spool: Path) -> None:
    path = leave(spool, f"{uuid7()}.1.waiting.draft", "torn")
    path.write_bytes(b'[{"key":"to')
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("own")
    assert stand_in.totals == {"own": 1}
    assert files(spool) == []


def test_a_living_process_keeps_its_batches(stand_in: StandIn, spool: Path, tmp_path: Path) -> None:
    code = """
counter = Counter(url, spool=spool, interval_seconds=0)
counter.increment("theirs")
signal.pause()
"""
    url = f"http://127.0.0.1:{free_port()}"
    with client_process(tmp_path, code, url=url, spool=str(spool)) as other:
        other.wait_until(lambda: batches(spool), "its batch")
        with Counter(stand_in.url, spool=spool) as counter:
            counter.increment("own")
        assert stand_in.totals == {"own": 1}
        other.kill()
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("own")
    assert stand_in.totals == {"own": 2, "theirs": 1}


def test_two_processes_that_take_over_at_the_same_time_count_it_once(
    stand_in: StandIn, spool: Path, tmp_path: Path
) -> None:
    for i in range(30):
        leave(spool, f"{uuid7()}.1.waiting", f"left:{i}")
    code = """
with Counter(url, spool=spool) as counter:
    counter.increment("own")
"""
    (tmp_path / "other").mkdir()
    with (
        client_process(tmp_path, code, url=stand_in.url, spool=str(spool)) as one,
        client_process(tmp_path / "other", code, url=stand_in.url, spool=str(spool)) as other,
    ):
        assert one.wait_until_gone() == 0, one.log()
        assert other.wait_until_gone() == 0, other.log()
    assert stand_in.totals == {"own": 2} | {f"left:{i}": 2 for i in range(30)}
    assert len({each.id for each in stand_in.received}) == len(stand_in.received)
    assert files(spool) == []


def test_the_spool_has_a_bound_and_what_is_beyond_stays_in_memory(
    stand_in: StandIn, spool: Path
) -> None:
    stand_in.orders.extend([Order(503, {"Retry-After": "0"})] * 100_000)
    bound = 5 * 4096
    counter = Counter(
        stand_in.url,
        spool=spool,
        interval_seconds=0,
        batch_bytes=4096,
        max_spool_bytes=bound,
        max_pause_seconds=0.01,
    )
    for i in range(9):
        counter.increment(f"key:{i}")
        wait_for(lambda i=i: len(batches(spool)) >= min(5, i + 1), "a batch")  # type: ignore[misc]
    time.sleep(0.1)  # so that a sixth batch, which must not come, could come
    assert len(batches(spool)) == 5
    assert counter.stats().spool_bytes == bound
    assert counter.stats().queued == 9
    stand_in.orders.clear()
    assert counter.close(30) == 0
    assert stand_in.totals == {f"key:{i}": 1 for i in range(9)}


def test_a_spool_that_cannot_be_written_costs_nothing(
    stand_in: StandIn, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.write_text("a file")
    counter = Counter(stand_in.url, spool=spool, interval_seconds=0)
    for i in range(3):
        counter.increment("a")
        wait_for(lambda i=i: stand_in.totals["a"] == i + 1, "it to count")  # type: ignore[misc]
    (warning,) = caplog.records
    assert "cannot be written" in warning.getMessage()
    assert counter.close() == 0


def test_a_spool_that_others_have_filled_costs_nothing(
    stand_in: StandIn, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spool / "refused").mkdir(parents=True)
    (spool / "refused" / f"{uuid7()}.400.json").write_bytes(b"x" * 500_000)
    counter = Counter(stand_in.url, spool=spool, interval_seconds=0, max_spool_bytes=500_000)
    stand_in.orders.append(Order(400))
    counter.increment("refused")
    wait_for(lambda: counter.stats().refused == 1, "it to be refused")
    counter.increment("a")
    wait_for(lambda: stand_in.totals["a"] == 1, "it to count")
    assert counter.close() == 0
    said = [each.getMessage() for each in caplog.records]
    assert ["is full" in each for each in said] == [True, False]
    assert '{"key":"refused","value":1}' in said[1]  # nothing else keeps it


def test_what_could_not_be_written_is_written_at_the_end_if_it_can_be_then(
    stand_in: StandIn, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.write_text("a file")
    stand_in.orders.extend([Order(503)] * 10_000)
    counter = Counter(stand_in.url, spool=spool, interval_seconds=0, max_pause_seconds=0.01)
    counter.increment("a")
    stand_in.wait_for_requests(2)
    spool.unlink()
    assert counter.close(0) == 1
    (path,) = batches(spool)
    assert path.name == f"{stand_in.received[0].id}.1.sent"
    assert path.read_bytes() == stand_in.received[0].body


def test_a_spool_without_locks_costs_nothing(
    stand_in: StandIn,
    spool: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def flock(*arguments: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", flock)
    with Counter(stand_in.url, spool=spool, interval_seconds=0) as counter:
        for i in range(3):
            counter.increment("a")
            wait_for(lambda i=i: stand_in.totals["a"] == i + 1, "it to count")  # type: ignore[misc]
    (warning,) = caplog.records
    assert "No locks available" in warning.getMessage()
    assert list(spool.iterdir()) == []


def test_a_spool_that_is_removed_under_a_counter_is_made_again(
    stand_in: StandIn, spool: Path
) -> None:
    with Counter(stand_in.url, spool=spool, interval_seconds=0) as counter:
        counter.increment("a")
        wait_for(lambda: counter.stats().sent == 1, "it to count")
        for path in sorted(spool.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        spool.rmdir()
        counter.increment("b")
        wait_for(lambda: counter.stats().sent == 2, "it to count")
    assert stand_in.totals == {"a": 1, "b": 1}


def test_a_folder_that_was_taken_over_is_let_go_once_it_is_empty(spool: Path) -> None:
    """Or a process that runs for months would hold one for each that was killed meanwhile."""
    path = leave(spool, f"{uuid7()}.1.waiting", "left")
    taker = Spool(spool, 1_000_000)
    taker.look_around()
    batch = taker.first()
    assert batch is not None
    taker.begin(batch)
    taker.look_around()
    assert path.parent.is_dir()
    taker.done(batch)
    taker.look_around()
    assert not path.parent.exists()


def test_refused_batches_count_against_the_bound(spool: Path) -> None:
    (spool / "refused").mkdir(parents=True)
    (spool / "refused" / f"{uuid7()}.400.json").write_bytes(b"x" * 5000)
    assert Spool(spool, 10_000).used_bytes() == 2 * 4096


def test_a_program_that_ends_leaves_what_it_could_not_send(stand_in: StandIn, spool: Path) -> None:
    run_client(
        'Counter(url, spool=spool, exit_seconds=0.1).increment("a", 3)',
        url=f"http://127.0.0.1:{free_port()}",
        spool=str(spool),
    )
    with Counter(stand_in.url, spool=spool) as counter:
        counter.increment("b")
    assert stand_in.totals == {"a": 3, "b": 1}
