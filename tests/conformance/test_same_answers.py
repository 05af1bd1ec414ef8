"""The same requests get the same answers and counts each way."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conformance.cases import CASES
from tests.conformance.generated import requests
from tests.conformance.ways import (
    GOOD,
    LAST,
    WAYS,
    Services,
    answers,
    flushed_totals,
    same_totals,
    send_each_way,
)
from tests.testbed.requests import talk
from tests.testbed.service import Service


def test_every_request_gets_the_same_answer_each_way(ways: Services) -> None:
    expected, chunked_keys = {}, []
    for number, (name, (raw, status)) in enumerate(CASES.items()):
        key = f"{number:03}"
        twice = [raw, raw] if status == 200 else [raw]  # the lane knows the second one's head
        found = send_each_way(ways, key, twice)
        assert [answer[0] for answer in found] == [status] * len(twice), name
        expected[key] = 6 if status == 200 else 0
        if b"Transfer-Encoding" in raw:
            chunked_keys.append(key)
    same_totals(ways, expected, *chunked_keys)


def test_generated_requests_get_the_same_answers_each_way(ways: Services) -> None:
    seen: Counter[int] = Counter()

    @settings(derandomize=True, max_examples=150, deadline=None)
    @given(st.lists(requests(), min_size=2, max_size=5))
    def compare(several: list[tuple[bytes, bytes]]) -> None:
        twice = [one for one in several for _ in range(2)]  # the lane knows the second one's head
        as_sent, with_length = ([*pieces, LAST] for pieces in zip(*twice, strict=True))
        found = {
            name: answers(talk(service.port, with_length if name == "wsgi" else as_sent))
            for name, service in ways.items()
        }
        assert found["lane"] == found["asgi"] == found["wsgi"]
        assert len(found["lane"]) == len(as_sent)
        seen.update(answer[0] for answer in found["lane"][:-1])

    before = {name: flushed_totals(service) for name, service in ways.items()}
    compare()
    counted = [
        {
            key: total
            for key, total in flushed_totals(service).items()
            if total != before[name].get(key, 0)
        }
        for name, service in ways.items()
    ]
    assert counted[0] == counted[1] == counted[2]
    assert len(counted[0]) >= 5, counted
    assert min(seen[status] for status in (200, 400, 401, 404, 405, 413, 415)) > 0, seen


def test_replies_to_a_pipeline_come_in_order(ways: Services) -> None:
    pipeline = [
        (raw, status)
        for raw, status in CASES.values()
        if status != 413 and b"Transfer-Encoding" not in raw
    ]
    found = send_each_way(ways, "PIP", [b"".join(raw for raw, _ in pipeline)])
    assert [answer[0] for answer in found] == [status for _, status in pipeline]
    same_totals(ways, {"PIP": 3 * sum(status == 200 for _, status in pipeline)})


@pytest.mark.parametrize("way", WAYS)
def test_limit_of_bodies_may_be_above_django_s_own(tmp_path: Path, way: str) -> None:
    megabyte = 1024**2
    with Service(tmp_path, command=WAYS[way], MAX_BODY_BYTES=str(4 * megabyte)) as service:
        assert service.post(GOOD + b"&x=" + b"x" * 3 * megabyte).status == 200
