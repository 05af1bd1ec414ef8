"""The client's spool, where somebody has removed files from it or put odd ones in."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from incrementer_client import Counter
from incrementer_client.spool import Spool
from incrementer_client.uuid7 import uuid7
from tests.testbed.client_programs import client_process
from tests.testbed.ports import free_port
from tests.testbed.stand_in import StandIn
from tests.testbed.waiting import wait_for


def left_folder(spool: Path) -> Path:
    """Return a folder of a process that is gone."""
    folder = spool / f"owner-{uuid7()}"
    folder.mkdir(parents=True)
    (folder / "lock").touch()
    return folder


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


def test_a_spool_that_is_emptied_while_the_service_is_away_holds_up_nothing_else(
    spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    counter = Counter(
        f"http://127.0.0.1:{port}", spool=spool, interval_seconds=0, max_pause_seconds=0.05
    )
    counter.increment("removed")
    wait_for(lambda: any("Refused" in each.getMessage() for each in caplog.records), "an attempt")
    shutil.rmtree(spool)
    with StandIn(port) as stand_in:
        counter.increment("later")
        assert counter.close(30) == 0
    assert stand_in.totals == {"later": 1}
    (told,) = errors(caplog)
    assert "has been removed" in told


@pytest.mark.parametrize("state", ["sent", "waiting"])
@pytest.mark.parametrize("kind", ["an empty file", "a folder"])
def test_an_odd_file_holds_up_no_batch_and_is_told_once(
    stand_in: StandIn, spool: Path, caplog: pytest.LogCaptureFixture, kind: str, state: str
) -> None:
    path = left_folder(spool) / f"{uuid7()}.1.{state}"
    path.mkdir() if kind == "a folder" else path.touch()
    counter = Counter(stand_in.url, spool=spool, interval_seconds=0)
    for i in range(5):
        counter.increment("a")
        wait_for(lambda i=i: stand_in.totals["a"] == i + 1, "it to count")  # type: ignore[misc]
    assert counter.close() == 1
    (told,) = errors(caplog)
    assert str(path) in told
    assert path.exists()


@pytest.mark.parametrize("counts", [True, False])
def test_a_file_that_cannot_be_removed_or_moved_is_not_taken_over_again(
    spool: Path, counts: bool
) -> None:
    path = left_folder(spool) / f"{uuid7()}.1.sent"
    path.write_bytes(b"[]")
    taker = Spool(spool, 1_000_000)
    taker.look_around()
    batch = taker.first()
    assert batch is not None
    if counts:
        path.unlink()
        path.mkdir()  # which `unlink` does not remove
        taker.done(batch)
    else:
        (spool / "refused").touch()  # no folder: nothing can be moved there
        taker.set_aside(batch, "No", 400)
    taker.look_around()
    assert taker.waiting() == 0


def test_a_lock_that_is_removed_under_its_owner_costs_nothing(
    spool: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    counter = Counter(url, spool=spool, interval_seconds=0, max_pause_seconds=0.05)
    for i in range(5):
        counter.increment(f"ours:{i}")
        wait_for(lambda i=i: len(list(spool.rglob("*.waiting"))) == i + 1, "a batch")  # type: ignore[misc]
    next(spool.rglob("lock")).unlink()
    code = """
with Counter(url, spool=spool, exit_seconds=30) as counter:
    counter.increment("theirs")
"""
    with client_process(tmp_path, code, url=url, spool=str(spool)) as other, StandIn(port) as there:
        assert other.wait_until_gone() == 0, other.log()
        assert counter.close(30) == 0
    assert there.totals == {f"ours:{i}": 1 for i in range(5)} | {"theirs": 1}


def test_an_owner_whose_lock_is_removed_does_not_take_itself_over(
    spool: Path, stand_in: StandIn
) -> None:
    left = left_folder(spool)
    (left / f"{uuid7()}.1.waiting").write_bytes(b"[]")
    taker = Spool(spool, 1_000_000)
    taker.look_around()
    (left / "lock").unlink()
    taker.look_around()
    assert taker.waiting() == 1
    other = Spool(spool, 1_000_000)
    other.look_around()
    assert other.waiting() == 0


WITHOUT_FILES = """
import pathlib, resource
counter = Counter(url, spool=spool, interval_seconds=0.01, max_pause_seconds=0.05)
counter.increment("in the spool")
while not list(pathlib.Path(spool).rglob('*.waiting')):
    time.sleep(0.01)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
os.mkdir(limited)
while not os.path.exists(listening):
    time.sleep(0.01)
for _ in range(50):
    counter.increment("meanwhile")
    time.sleep(0.01)
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
assert counter.close(30) == 0, counter.stats()
"""


def test_too_many_open_files_cost_nothing_once_they_are_fewer(tmp_path: Path, spool: Path) -> None:
    port = free_port()
    limited, listening = tmp_path / "limited", tmp_path / "listening"
    names = {"limited": str(limited), "listening": str(listening), "spool": str(spool)}
    url = f"http://127.0.0.1:{port}"
    with client_process(tmp_path, WITHOUT_FILES, url=url, **names) as program:
        program.wait_until(limited.exists, "it to be without files")
        with StandIn(port) as stand_in:
            listening.touch()
            assert program.wait_until_gone() == 0, program.log()
    assert stand_in.totals == {"in the spool": 1, "meanwhile": 50}
    assert "may not count" not in program.log()
    assert not list(spool.rglob("*.*"))
