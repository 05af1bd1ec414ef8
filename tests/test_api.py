"""The API's rules: what is accepted, and how everything else is refused."""

from __future__ import annotations

import json
from urllib.parse import quote_plus

import pytest

from tests.testbed.requests import FORM, JSON
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

MIN, MAX = -(2**63), 2**63 - 1
LONG = "k" * 255


def one(key: object, value: object) -> str:
    return json.dumps({"key": key, "value": value})


@pytest.mark.parametrize(
    ("content_type", "body", "field", "limit"),
    [
        (FORM, "value=1", "key", None),
        (FORM, "", "body", None),
        (FORM, "key=&value=1", "key", 1),
        (FORM, f"key={LONG}k&value=1", "key", 255),
        (FORM, "key=a%00b&value=1", "key", None),
        (FORM, "key=%FF&value=1", "key", None),
        (FORM, b"key=\xff&value=1", "key", None),
        (FORM, "key=%ED%A0%80&value=1", "key", None),  # half of a surrogate pair
        (FORM, "key=a&key=a&value=1", "key", 1),
        (FORM, "key=a&%6bey=b&value=1", "key", 1),
        (FORM, "key=refused", "value", None),
        (FORM, "key=refused&value=", "value", None),
        (FORM, "key=refused&value=1.5", "value", None),
        (FORM, "key=refused&value=1e3", "value", None),
        (FORM, "key=refused&value=one", "value", None),
        (FORM, "key=refused&value=0x10", "value", None),
        (FORM, "key=refused&value=1_000", "value", None),
        (FORM, "key=refused&value=%D9%A3", "value", None),  # a digit, but an Arabic one
        (FORM, "key=refused&value=--1", "value", None),
        (FORM, "key=refused&value=1&value=1", "value", 1),
        (FORM, f"key=refused&value={MAX + 1}", "value", MAX),
        (FORM, f"key=refused&value={MIN - 1}", "value", MIN),
        (FORM, "key=refused&value=" + "9" * 5000, "value", MAX),
        (FORM, "key=refused&value=" + "%30" * 5000, "value", 10_000),
        (FORM, "value=1&key=" + "%C3%A9" * 255 + "x", "key", 255),
        (FORM, "value=1&key=" + "%41" * 5000, "key", 255),
        (FORM, "key=refused&value=1" + "&x=1" * 100, "body", 100),
        (JSON, "", "body", None),
        (JSON, '{"key": "refused", "value": 1', "body", None),
        (JSON, b'{"key": "\xff", "value": 1}', "body", None),
        (JSON, '{"key": "\\ud800", "value": 1}', "body", None),
        (JSON, "[" * 100_000, "body", None),
        (JSON, "7", "body", None),
        (JSON, "null", "body", None),
        (JSON, "[]", "body", 1),
        (JSON, "[1]", "body", None),
        (JSON, '{"value": 1}', "key", None),
        (JSON, '{"key": "refused"}', "value", None),
        (JSON, '{"key": "a", "key": "a", "value": 1}', "key", 1),
        (JSON, '{"key": "refused", "value": 1, "value": 1}', "value", 1),
        (JSON, one("", 1), "key", 1),
        (JSON, one(LONG + "k", 1), "key", 255),
        (JSON, one("a\0b", 1), "key", None),
        (JSON, one(5, 1), "key", None),
        (JSON, one(None, 1), "key", None),
        (JSON, one("refused", "1"), "value", None),
        (JSON, one("refused", True), "value", None),
        (JSON, one("refused", None), "value", None),
        (JSON, one("refused", 1.5), "value", None),
        (JSON, '{"key": "refused", "value": 1.0}', "value", None),
        (JSON, one("refused", MAX + 1), "value", MAX),
        (JSON, one("refused", MIN - 1), "value", MIN),
        (JSON, one("refused", 10**400), "value", MAX),
        (JSON, f"[{one('refused', 1)}, {one('', 1)}]", "key", 1),
        (JSON, f"[{','.join([one('refused', 1)] * 10_001)}]", "body", 10_000),
    ],
    ids=lambda argument: repr(argument)[:40],
)
def test_bad_body_is_refused_with_field_and_limit(
    shared_service: Service, content_type: str, body: str | bytes, field: str, limit: int | None
) -> None:
    reply = shared_service.post(body, content_type)
    assert (reply.status, reply.headers["content-type"]) == (400, "application/json")
    detail = reply.json()
    assert detail["error"]
    assert (detail["field"], detail.get("limit")) == (field, limit)


def test_nothing_refused_counts(service: Service) -> None:
    service.post(f"[{one('good', 1)}, {one('bad', 1.5)}]", JSON)
    service.post("key=good&value=1&value=1")
    service.post("key=good&value=1", "text/plain")
    service.increment("last")
    service.wait_for_totals({"last": 1})


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (FORM, 200),
        (FORM + "; charset=UTF-8", 200),
        ("Application/X-WWW-Form-URLencoded", 200),
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
    ],
)
def test_content_type(shared_service: Service, content_type: str, status: int) -> None:
    assert shared_service.post("key=typed&value=1", content_type).status == status


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_other_methods_get_405_with_allow(shared_service: Service, method: str) -> None:
    reply = shared_service.request(method, "/increment")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["/nothing", "/increments", "/increment/", "/%00", "/" + "a" * 5000]
)
def test_other_paths_get_404(shared_service: Service, path: str) -> None:
    reply = shared_service.request("POST", path, "key=a&value=1", {"Content-Type": FORM})
    assert reply.status == 404
    assert "/increment" in reply.json()["error"]


def test_body_over_the_limit_gets_413(start_service: StartService) -> None:
    service = start_service(MAX_BODY_BYTES="1024")
    fits = "key=a&value=1&x=".ljust(1024, "x")
    assert service.post(fits).status == 200
    reply = service.post(fits + "x")
    assert reply.status == 413
    assert (reply.json()["field"], reply.json()["limit"]) == ("body", 1024)
    assert service.post(f"[{','.join([one('a', 1)] * 1000)}]", JSON).status == 413
    service.wait_for_totals({"a": 1})


def test_token_is_asked_for(start_service: StartService) -> None:
    service = start_service(INCREMENT_TOKEN="open-sesame")
    for wrong in ["", "Bearer", "Bearer open", "Bearer open-sesame2", "Basic open-sesame", "é"]:
        reply = service.post("key=a&value=1", **({"Authorization": wrong} if wrong else {}))
        assert (reply.status, reply.headers["www-authenticate"]) == (401, "Bearer"), wrong
    for right in ["Bearer open-sesame", "bearer open-sesame"]:
        assert service.post("key=a&value=1", Authorization=right).status == 200
    service.wait_for_totals({"a": 2})


KEYS = [
    "abcdef",
    " spaces, here and there ",
    "'; DROP TABLE numbers; --",
    "quotes \" ' ` and \\ and %s %(key)s {key}",
    "+&=%;#?/",
    "line\nbreak\ttab\r\x7f",
    "🦊👩‍👩‍👧",
    "Ünïcödé",
    "e\u0301",  # looks like the next one, but is another key: keys are not normalised
    "\u00e9",
    "\u202e right to left",
    "\uffff\U0010ffff",
    "A",
    "a",
    "0",
    "-1",
    "null",
    "🦊" * 255,
]


@pytest.mark.parametrize("way", ["form", "json", "escaped json", "batch"])
def test_keys_are_stored_exactly_as_sent(service: Service, way: str) -> None:
    if way == "batch":
        batch = [{"key": key, "value": 1} for key in KEYS]
        assert service.post(json.dumps(batch, ensure_ascii=False).encode(), JSON).status == 200
    for key in KEYS:
        if way == "form":
            assert service.post(f"key={quote_plus(key)}&value=1").status == 200
        elif way != "batch":
            body = json.dumps({"key": key, "value": 1}, ensure_ascii=way == "escaped json")
            assert service.post(body.encode(), JSON).status == 200
    service.wait_for_totals(dict.fromkeys(KEYS, 1))


def test_values_add_up(service: Service) -> None:
    for value in ["1", "-3", "+5", "0", "007"]:
        assert service.post(f"key=a&value={quote_plus(value)}").status == 200
    assert service.post(f"[{one('a', 1)}, {one('b', 2)}, {one('a', -1)}]", JSON).status == 200
    # Keys of their own: where workers' sums meet at the limits, their order makes a difference.
    assert service.post(f"key=most&value={MAX}").status == 200
    assert service.post(f"key=least&value={MIN}").status == 200
    assert service.post(one("least in json", MIN), JSON).status == 200
    service.wait_for_totals({"a": 10, "b": 2, "most": MAX, "least": MIN, "least in json": MIN})


def test_total_stops_at_the_limit_of_64_bits(service: Service) -> None:
    for _ in range(3):
        service.increment("up", MAX)
        service.increment("down", MIN)
        service.increment("other", 1)
    service.wait_for_totals({"up": MAX, "down": MIN, "other": 3})
    # Each worker warns once it has flushed, which may be after the other has reached the limit.
    wait_for(lambda: "'up' has reached the limit" in service.log(), "the warning", service.log)
    wait_for(lambda: "'down' has reached the limit" in service.log(), "the warning", service.log)
