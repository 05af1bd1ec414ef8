"""The buffer's limits: 503 while they are reached, and 200 again by itself."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from counters.buffer import Buffer
from counters.flush import flush_journal
from counters.journal import JournalUnwritable
from counters.models import Number
from tests.conftest import StartServer
from tests.server import JSON, Reply, Server, wait_for
from tests.test_conformance import answers, request, talk
from tests.test_server import NEVER

BATCH = json.dumps([{"key": "a", "value": 1}] * 5_000).encode()


def assert_unavailable(reply: Reply) -> None:
    assert reply.status == 503, reply
    assert int(reply.headers["retry-after"]) > 0
    assert reply.json()["error"]


def test_new_keys_over_the_limit_get_503_and_old_ones_count(start_server: StartServer) -> None:
    server = start_server(MAX_PENDING_KEYS="3", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    for key in "abc":
        server.increment(key)
    assert_unavailable(server.post("key=d&value=1"))
    batch = json.dumps([{"key": key, "value": 1} for key in "ad"])
    assert_unavailable(server.post(batch, JSON))
    assert server.post(batch.replace("d", "b"), JSON).status == 200
    server.increment("c")
    assert server.log().count("increments of other keys get 503") == 1
    server.stop()
    assert server.totals() == {"a": 2, "b": 2, "c": 2}


def statuses_of_one_turn(server: Server, *requests: bytes) -> list[int]:
    """Send all at once, the last with `Connection: close`, and return the replies' statuses."""
    return [status for status, _, _ in answers(talk(server, [b"".join(requests)]))]


def test_requests_of_one_turn_share_the_room(start_server: StartServer) -> None:
    server = start_server(MAX_PENDING_KEYS="3", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    batch = json.dumps([{"key": key, "value": 1} for key in "ab"]).encode()
    statuses = statuses_of_one_turn(
        server,
        request(b"key=a&value=1"),
        request(batch, content_type=JSON),
        request(b"key=c&value=1"),
        request(b"key=d&value=1"),
        request(b"key=a&value=1", "Connection: close"),
    )
    assert statuses == [200, 200, 200, 503, 200]
    server.stop()
    assert server.totals() == {"a": 3, "b": 1, "c": 1}


def test_of_a_turn_that_the_disk_refuses_nothing_counts(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    turn = [
        request(b"key=a&value=1"),
        request(b"key=a&value=x"),
        request(BATCH, content_type=JSON),
        request(b"key=b&value=1", "Connection: close"),
    ]
    server.journal_dir.rmdir()
    server.journal_dir.write_text("in the way")
    assert statuses_of_one_turn(server, *turn) == [503, 400, 503, 503]
    server.journal_dir.unlink()
    assert statuses_of_one_turn(server, *turn) == [200, 400, 200, 200]
    server.wait_for_totals({"a": 5_001, "b": 1})


def test_a_batch_counts_if_its_turn_is_refused_after_it(start_server: StartServer) -> None:
    server = start_server(MAX_JOURNAL_BYTES=str(1024**2), FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    for _ in range(8):
        assert server.post(BATCH, JSON).status == 200
    small = json.dumps([{"key": "small", "value": 1}] * 100).encode()
    turn = [
        request(b"key=b&value=1"),
        request(small, content_type=JSON),
        request(b"key=b&value=1", "Connection: close"),
    ]
    accepted = 0
    while (statuses := statuses_of_one_turn(server, *turn)) == [200, 200, 200]:
        accepted += 1
    assert statuses == [503, 200, 503]  # the batch, which has a write of its own, has filled it
    assert statuses_of_one_turn(server, *turn) == [503, 503, 503]
    server.stop()
    assert server.totals() == {"a": 40_000, "small": 100 * (accepted + 1), "b": 2 * accepted}


def test_why_no_journal_can_be_made_is_told(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    (worker,) = server.workers()
    psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, (10, -1))  # less than a journal's header
    for told in ("the disk is full", "File too large"):
        reply = server.post("key=a&value=1")
        assert_unavailable(reply)
        assert told in reply.json()["error"]
        psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, (0, -1))


def add_in_group(buffer: Buffer, *keys: str) -> None:
    with buffer.group():
        for key in keys:
            buffer.add(key, 1)


@pytest.mark.django_db
def test_of_a_write_cut_short_nobody_reads_a_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    buffer = Buffer(tmp_path, max_pending_keys=10, max_journal_bytes=1024**2)
    buffer.add("a", 1)
    assert buffer.journal is not None
    journal = buffer.journal
    write, ftruncate = os.write, os.ftruncate

    def write_short(fd: int, data: bytes) -> int:
        return write(fd, data[:-1] if fd == journal.fd else data)

    def flush_and_truncate(fd: int, size: int) -> None:
        flush_journal(journal.path)  # as flushnumbers may at just this moment
        ftruncate(fd, size)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", write_short)
        patch.setattr(os, "ftruncate", flush_and_truncate)
        with pytest.raises(JournalUnwritable):
            add_in_group(buffer, "refused", "refused", "refused")
    buffer.add("a", 1)
    flush_journal(journal.path)
    assert dict(Number.objects.values_list("key", "value")) == {"a": 2}
    buffer.close()


def test_a_flush_makes_room(start_server: StartServer) -> None:
    server = start_server(MAX_PENDING_KEYS="3", WEB_CONCURRENCY="1")
    for number in range(30):
        body = f"key={number}&value=1"
        wait_for(lambda: server.post(body).status == 200, "room")  # noqa: B023  (called at once)
    server.wait_for_totals({str(number): 1 for number in range(30)})


def test_without_a_journal_nothing_is_accepted(start_server: StartServer) -> None:
    server = start_server(WEB_CONCURRENCY="1")
    server.journal_dir.rmdir()
    server.journal_dir.write_text("in the way")
    for _ in range(4):
        assert_unavailable(server.post("key=a&value=1"))
    unready = server.request("GET", "/readyz")
    assert unready.status == 503
    assert "the journal cannot be written" in unready.json()["reason"]
    server.journal_dir.unlink()
    server.increment("a", 5)
    assert server.request("GET", "/readyz").status == 200
    server.wait_for_totals({"a": 5})
    assert server.log().count("Increments get 503") == 1
    assert server.log().count("Increments are accepted again") == 1


def test_journal_stops_at_its_limit_and_goes_on_after_a_flush(start_server: StartServer) -> None:
    server = start_server(MAX_JOURNAL_BYTES=str(1024**2), WEB_CONCURRENCY="1")
    accepted = 0
    with closing(sqlite3.connect(server.database)) as database:
        database.execute("BEGIN IMMEDIATE")  # no flush gets through
        while (reply := server.post(BATCH, JSON)).status == 200:
            accepted += 5_000
            assert accepted < 100_000
        assert_unavailable(reply)
        assert "no flush has taken" in reply.json()["error"]
        assert server.request("GET", "/readyz").status == 503
        (journal,) = server.journal_dir.iterdir()
        assert journal.stat().st_size < 1024**2 + 2 * len(BATCH)
    wait_for(lambda: server.request("GET", "/readyz").status == 200, "the flush", server.log)
    server.increment("a")
    server.wait_for_totals({"a": accepted + 1})
