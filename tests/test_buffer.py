"""The buffer's limits: replies are 503 while one is reached, and 200 again after the next flush."""

from __future__ import annotations

import json

import psutil

from tests.testbed.databases import locked
from tests.testbed.replies import Reply, statuses
from tests.testbed.requests import JSON, build_request, talk
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

BATCH = json.dumps([{"key": "a", "value": 1}] * 5_000).encode()


def assert_unavailable(reply: Reply) -> None:
    assert reply.status == 503, reply
    assert int(reply.headers["retry-after"]) > 0
    assert reply.json()["error"]


def test_new_keys_over_the_limit_get_503_and_old_ones_count(start_service: StartService) -> None:
    service = start_service(MAX_PENDING_KEYS="3", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    for key in "abc":
        service.increment(key)
    assert_unavailable(service.post("key=d&value=1"))
    batch = json.dumps([{"key": key, "value": 1} for key in "ad"])
    assert_unavailable(service.post(batch, JSON))
    assert service.post(batch.replace("d", "b"), JSON).status == 200
    service.increment("c")
    assert service.log().count("increments of other keys, and all with new ids, get 503") == 1
    service.stop()
    assert service.totals() == {"a": 2, "b": 2, "c": 2}


def test_long_keys_over_the_limit_of_memory_get_503_and_old_ones_count(
    start_service: StartService,
) -> None:
    service = start_service(
        MAX_PENDING_BYTES=str(1024**2), FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1"
    )

    def batch(number: int) -> str:
        keys = [f"{number} {n}".ljust(255, "\U0001f98a") for n in range(100)]
        return json.dumps([{"key": key, "value": 1} for key in keys])

    accepted = 0
    while (refused := service.post(batch(accepted), JSON)).status == 200:
        accepted += 1
    assert_unavailable(refused)
    assert refused.json()["limit"] == 1024**2
    assert "1048576 bytes" in refused.json()["error"]
    assert accepted == 8  # some 120 kB each
    assert service.post(batch(0), JSON).status == 200
    service.increment("short")
    assert service.log().count("increments of other keys, and all with new ids, get 503") == 1
    assert "MAX_PENDING_BYTES" in service.log()
    service.stop()
    totals = service.totals()
    assert totals.pop("short") == 1
    assert (len(totals), sum(totals.values())) == (800, 900)


def statuses_of_one_turn(service: Service, *requests: bytes) -> list[int]:
    """Send all in one piece, and return the statuses; the last one has `Connection: close`."""
    return statuses(talk(service.port, [b"".join(requests)]))


def test_requests_of_one_turn_share_the_room(start_service: StartService) -> None:
    service = start_service(MAX_PENDING_KEYS="3", FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    batch = json.dumps([{"key": key, "value": 1} for key in "ab"]).encode()
    answered = statuses_of_one_turn(
        service,
        build_request(b"key=a&value=1"),
        build_request(batch, content_type=JSON),
        build_request(b"key=c&value=1"),
        build_request(b"key=d&value=1"),
        build_request(b"key=a&value=1", "Connection: close"),
    )
    assert answered == [200, 200, 200, 503, 200]
    service.stop()
    assert service.totals() == {"a": 3, "b": 1, "c": 1}


def test_nothing_counts_of_a_turn_that_the_disk_refuses(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    turn = [
        build_request(b"key=a&value=1"),
        build_request(b"key=a&value=x"),
        build_request(BATCH, content_type=JSON),
        build_request(b"key=b&value=1", "Connection: close"),
    ]
    service.journal_dir.rmdir()
    service.journal_dir.write_text("in the way")
    assert statuses_of_one_turn(service, *turn) == [503, 400, 503, 503]
    service.journal_dir.unlink()
    assert statuses_of_one_turn(service, *turn) == [200, 400, 200, 200]
    service.wait_for_totals({"a": 5_001, "b": 1})


def test_neither_singles_nor_batches_count_of_a_turn_at_the_limit(
    start_service: StartService,
) -> None:
    service = start_service(
        MAX_JOURNAL_BYTES=str(1024**2), FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1"
    )
    for _ in range(8):
        assert service.post(BATCH, JSON).status == 200
    small = json.dumps([{"key": "small", "value": 1}] * 100).encode()
    turn = [
        build_request(b"key=b&value=1"),
        build_request(small, content_type=JSON),
        build_request(b"key=b&value=1", "Connection: close"),
    ]
    accepted = 0
    while (answered := statuses_of_one_turn(service, *turn)) == [200, 200, 200]:
        accepted += 1
    assert answered == [503, 503, 503]
    assert accepted
    service.stop()
    assert service.totals() == {"a": 40_000, "small": 100 * accepted, "b": 2 * accepted}


def test_the_reply_to_who_has_the_token_says_why_no_journal_can_be_made(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1", INCREMENT_TOKEN="token")
    (worker,) = service.workers()
    psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, (10, -1))  # less than a journal's header
    for reason in ("the disk is full", "File too large"):
        reply = service.post("key=a&value=1", Authorization="Bearer token")
        assert_unavailable(reply)
        assert reason in reply.json()["error"]
        psutil.Process(worker).rlimit(psutil.RLIMIT_FSIZE, (0, -1))


def test_a_flush_makes_room(start_service: StartService) -> None:
    service = start_service(MAX_PENDING_KEYS="3", WEB_CONCURRENCY="1")
    for number in range(30):
        body = f"key={number}&value=1"
        wait_for(lambda: service.post(body).status == 200, "room")  # noqa: B023  (called at once)
    service.wait_for_totals({str(number): 1 for number in range(30)})


def test_without_a_journal_nothing_is_accepted(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    service.journal_dir.rmdir()
    service.journal_dir.write_text("in the way")
    for _ in range(4):
        assert_unavailable(service.post("key=a&value=1"))
    unready = service.request("GET", "/readyz")
    assert unready.status == 503
    assert "the journal cannot be written" in unready.json()["error"]
    service.journal_dir.unlink()
    service.increment("a", 5)
    assert service.request("GET", "/readyz").status == 200
    service.wait_for_totals({"a": 5})
    assert service.log().count("Increments get 503") == 1
    assert service.log().count("Increments are accepted again") == 1


def test_journal_stops_at_its_limit_and_goes_on_after_a_flush(start_service: StartService) -> None:
    service = start_service(MAX_JOURNAL_BYTES=str(1024**2), WEB_CONCURRENCY="1")
    accepted = 0
    with locked(service.database):  # no flush gets through
        while (reply := service.post(BATCH, JSON)).status == 200:
            accepted += 5_000
            assert accepted < 100_000
        assert_unavailable(reply)
        assert reply.json()["limit"] == 1024**2
        assert service.request("GET", "/readyz").status == 503
        (journal,) = service.journal_dir.iterdir()
        assert journal.stat().st_size < 1024**2 + 2 * len(BATCH)
    wait_for(lambda: service.request("GET", "/readyz").status == 200, "the flush", service.log)
    service.increment("a")
    service.wait_for_totals({"a": accepted + 1})
