"""Requests with an `Idempotency-Key` get the same answers and count once each way."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest

from tests.conformance.ways import (
    GOOD,
    LAST,
    Services,
    answers,
    request,
    same_totals,
    send_each_way,
)
from tests.testbed.requests import FORM, JSON, talk

PREFER = "Prefer: return=representation"
HOUR_SECONDS = 3600


def key_of(id_: str) -> str:
    return f"Idempotency-Key: {id_}"


def uuid7(hours: float) -> str:
    """Return a UUIDv7 of so many hours after now."""
    digits = f"{round((time.time() + hours * HOUR_SECONDS) * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7{str(uuid4())[15:]}"


@pytest.mark.parametrize(
    ("key", "forms"),
    [
        ("id0", ["Idempotency-Key: @", 'idempotency-key:"@"', 'IDEMPOTENCY-key: "@";a=1 ']),
        ("id1", ['Idempotency-Key: "@\\"\\\\,"', 'Idempotency-Key:  "@\\"\\\\,";b']),
        ("id2", ['Idempotency-Key: @"\\;', 'Idempotency-Key: "@\\"\\\\;"']),
        ("id3", ["Idempotency-Key: @ @", 'Idempotency-Key: "@ @"']),
    ],
)
def test_the_same_id_counts_once_in_each_form(ways: Services, key: str, forms: list[str]) -> None:
    id_ = uuid4().hex[:30]
    raw = [request(GOOD, form.replace("@", id_)) for form in forms for _ in range(3)]
    found = send_each_way(ways, key, raw)
    assert [answer[0] for answer in found] == [200] * len(raw)
    same_totals(ways, {key: 3})


def test_other_ids_count_again(ways: Services) -> None:
    ids = [*("a" * length for length in (1, 63, 64)), "A", *(str(uuid4()) for _ in range(20))]
    ids += [uuid7(hours) for hours in (-23.9, -1, 0, 0.9)] + ["0.7", "%41"]
    raw = [request(GOOD, key_of(id_)) for id_ in ids] + [request()]
    found = send_each_way(ways, "ido", raw)
    assert [answer[0] for answer in found] == [200] * len(raw)
    same_totals(ways, {"ido": 3 * len(raw)})


def test_what_is_no_id_is_refused(ways: Services) -> None:
    bad = [
        *("", '""', '"', '"a', '"a\\b"', '"a"b', '"a" ;b', '"a";B', "a" * 65, f'"{"a" * 65}"'),
        *("a,b", '"a", "a"', '"a";x , b', ",", "\xe9", '"\xe9"', "a\tb"),
        *("a" * 1001, '"a"' + ";a" * 500),
    ]
    raw = [request(GOOD, key_of(id_)) for id_ in bad]
    twice = [("a", "a"), ("a", '"b"'), ('"a"', ""), ("", "")]
    raw += [request(GOOD, key_of(one), key_of(other)) for one, other in twice]
    raw += [request(GOOD, key_of(uuid7(2))), request(GOOD, key_of(uuid7(1e6)))]
    found = send_each_way(ways, "idb", raw)
    assert [answer[0] for answer in found] == [400] * len(raw)
    assert all(b'"field": "Idempotency-Key", "limit": ' in answer[1] for answer in found)
    same_totals(ways, {"idb": 0})


def test_an_id_of_another_time_is_refused(ways: Services) -> None:
    raw = [request(GOOD, key_of(form)) for form in (uuid7(-24.1), f'"{uuid7(-1000).upper()}"')]
    found = send_each_way(ways, "idt", raw)
    assert [answer[0] for answer in found] == [409, 409]
    assert b"24 hours" in found[0][1]
    same_totals(ways, {"idt": 0})


def test_an_id_with_another_body_is_refused(ways: Services) -> None:
    batch, single = b'[{"key":"KEY","value":1},{"key":"KEY","value":2}]', b'{"key":"KEY","value":3}'
    for first, other, again in ((GOOD, b"key=KEY&value=4", single), (batch, GOOD, batch)):
        header = key_of(str(uuid4()))
        raw = [
            request(body, header, content_type=FORM if body.startswith(b"key") else JSON)
            for body in (first, other, again)
        ]
        found = send_each_way(ways, "idr", raw)
        assert [answer[0] for answer in found] == [200, 422, 200]
    same_totals(ways, {"idr": 6})


def test_a_request_that_is_refused_does_not_spend_its_id(ways: Services) -> None:
    header = key_of(str(uuid4()))
    raw = [request(b"key=KEY", header), request(GOOD, header, token=None), request(GOOD, header)]
    found = send_each_way(ways, "idn", raw)
    assert [answer[0] for answer in found] == [400, 401, 200]
    same_totals(ways, {"idn": 3})


def test_who_may_not_count_is_told_that_first(ways: Services) -> None:
    raw = [request(GOOD, key_of('"'), token=None), request(b"", key_of('"'), line="GET / HTTP/1.1")]
    assert [answer[0] for answer in send_each_way(ways, "idw", raw)] == [401, 200]


def test_a_copy_that_asks_for_its_total_gets_it(ways: Services) -> None:
    header, batch = key_of(str(uuid4())), b'[{"key":"KEY","value":1}]'
    found = send_each_way(ways, "idp", [request(GOOD, header, PREFER)] * 2)
    assert [answer[1] for answer in found] == [b'{"key": "idp", "value": 3}\n'] * 2
    other = key_of(str(uuid4()))
    found = send_each_way(ways, "idp", [request(batch, other, PREFER, content_type=JSON)] * 2)
    assert [answer[1] for answer in found] == [b'[{"key": "idp", "value": 4}]\n'] * 2


def test_a_wish_that_is_long_is_not_looked_at(ways: Services) -> None:
    raw = [request(GOOD, key_of(str(uuid4())), PREFER + ",x" * length) for length in (400, 600)]
    found = send_each_way(ways, "idq", raw)
    assert [answer[1] for answer in found] == [b'{"key": "idq", "value": 3}\n', b'{"ok":true}\n']
    same_totals(ways, {"idq": 6})


def test_copies_in_one_pipeline_count_once(ways: Services) -> None:
    header = key_of(str(uuid4()))
    pipeline = request(GOOD, header) * 20 + request(GOOD, header, PREFER) + request(GOOD, header)
    for name, service in ways.items():
        found = answers(talk(service.port, [pipeline.replace(b"KEY", b"idl"), LAST]))
        assert [answer[0] for answer in found] == [200] * 22 + [404], name
    same_totals(ways, {"idl": 3})
