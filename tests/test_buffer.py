"""The buffer's limits: 503 while they are reached, and 200 again by itself."""

from __future__ import annotations

import json

from tests.conftest import StartServer
from tests.server import JSON, Reply, wait_for
from tests.test_server import NEVER


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
    server.stop()
    assert server.totals() == {"a": 2, "b": 2, "c": 2}


def test_a_flush_makes_room(start_server: StartServer) -> None:
    server = start_server(MAX_PENDING_KEYS="3", WEB_CONCURRENCY="1")
    for number in range(30):
        body = f"key={number}&value=1"
        wait_for(lambda: server.post(body).status == 200, "room")  # noqa: B023  (called at once)
    server.wait_for_totals({str(number): 1 for number in range(30)})


def test_without_a_journal_nothing_is_accepted(start_server: StartServer) -> None:
    server = start_server()
    server.journal_dir.rmdir()
    server.journal_dir.write_text("in the way")
    for _ in range(4):
        assert_unavailable(server.post("key=a&value=1"))
    server.journal_dir.unlink()
    server.increment("a", 5)
    server.wait_for_totals({"a": 5})
