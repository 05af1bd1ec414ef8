"""The upsert into the totals: many keys at once, and sums beyond 64 bits."""

from __future__ import annotations

import json
from collections import Counter

from tests.testbed.requests import JSON
from tests.testbed.service import NEVER, StartService

MIN, MAX = -(2**63), 2**63 - 1


def test_thousands_of_keys_are_added_in_one_flush(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    expected: Counter[str] = Counter()
    for seed in range(6):
        batch = [{"key": f"key {seed * 7 + n % 9999}", "value": n - 5000} for n in range(10_000)]
        assert service.post(json.dumps(batch), JSON).status == 200
        for increment in batch:
            expected[str(increment["key"])] += int(str(increment["value"]))
        if seed == 2:
            service.manage("flushnumbers")
    service.stop()
    assert service.totals() == expected


def test_delta_beyond_64_bits_counts_up_to_the_limit(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    service.increment("from below", -10)
    service.increment("from above", 10)
    service.manage("flushnumbers")
    for _ in range(3):
        service.increment("from below", MAX)
        service.increment("from above", MIN)
        service.increment("out and back", MAX)
    for _ in range(3):
        service.increment("out and back", -MAX)
        service.increment("good", 1)
    service.stop()
    assert service.totals() == {
        "from below": MAX,
        "from above": MIN,
        "out and back": 0,
        "good": 3,
    }
    assert service.log().count("reached the limit") == len(["from below", "from above"])


def test_deltas_are_exact_and_a_total_stops_at_each_flush(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    for value in (MAX, MAX, MAX, -MAX, -MAX):
        service.increment("flushed each", value)
        service.manage("flushnumbers")
    assert service.totals() == {"flushed each": -MAX}
    for value in (MAX, MAX, MAX, -MAX, -MAX):
        service.increment("flushed once", value)
    service.manage("flushnumbers")
    assert service.totals() == {"flushed each": -MAX, "flushed once": MAX}


def test_the_log_names_a_few_of_many_keys_at_the_limit(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER, WEB_CONCURRENCY="1")
    batch = json.dumps([{"key": str(n), "value": MAX} for n in range(1000)])
    for _ in range(2):
        assert service.post(batch, JSON).status == 200
    service.stop()
    assert service.totals() == dict.fromkeys(map(str, range(1000)), MAX)
    assert service.log().count("has reached the limit") == 10
    assert "of 990 other keys" in service.log()
