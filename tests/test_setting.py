"""`PUT` and `DELETE` of a total over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.requests import FORM, JSON
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.setting import ADMIN, COUNTER, READER, TOKENS, count, delete, get, of_key, put

WAYS = {"lane": GUNICORN, "event loop": PLAIN_ASGI, "Django": WSGI}
MIN, MAX = -(2**63), 2**63 - 1
KEYS = ["a", "a/b", "%2F", ".", "..", "?x=1", " blanks ", "line\nend\r", "🎉" * 255]


@pytest.fixture(scope="module", params=WAYS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service, each way, with a token for everything; it would not flush by itself."""
    folder = tmp_path_factory.mktemp("setting")
    settings = {**TOKENS, "FLUSH_INTERVAL": NEVER, "WEB_CONCURRENCY": "1"}
    if request.param == "Django":  # which says nothing of its first flush before the first request
        settings["FLUSH_INTERVAL"] = "3599"
    with Service(folder, command=WAYS[request.param], **settings) as running:
        yield running
        print(running.log())


@pytest.mark.parametrize("key", KEYS)
def test_a_total_is_set_counted_on_deleted_and_gone(service: Service, key: str) -> None:
    count(service, key, 100)
    reply = put(service, key, '{"value": -5}')
    assert (reply.status, reply.json()) == (200, {"key": key, "value": -5})
    assert get(service, key).json()["value"] == -5
    count(service, key, 2)
    assert get(service, key).json()["value"] == -3
    count(service, key, 10)
    deleted = delete(service, key)
    assert (deleted.status, deleted.body) == (204, b"")
    assert get(service, key).status == 404
    count(service, key, 1)
    assert get(service, key).json()["value"] == 1
    assert delete(service, key).status == 204


def test_what_is_only_pending_is_deleted_too(service: Service) -> None:
    count(service, "pending", 3)
    assert delete(service, "pending").status == 204
    assert get(service, "pending").status == 404


def test_what_was_never_counted_cannot_be_deleted_but_set(service: Service) -> None:
    reply = delete(service, "never")
    assert reply.status == 404
    assert reply.json() == {"error": "never was never counted", "field": "key"}
    assert put(service, "never", '{"value": 0}').status == 200
    assert get(service, "never").json()["value"] == 0
    assert delete(service, "never").status == 204


@pytest.mark.parametrize("value", [MIN, MAX])
def test_a_total_may_be_any_of_64_bits(service: Service, value: int) -> None:
    assert put(service, "limit", json.dumps({"value": value, "other": [1]})).json() == {
        "key": "limit",
        "value": value,
    }
    assert get(service, "limit").json()["value"] == value


@pytest.mark.parametrize(
    ("body", "field", "error"),
    [
        ("", "body", "the body is empty: value belongs into it"),
        ("{}", "value", "value is missing"),
        ("7", "body", "body is not an object with value"),
        ('[{"value": 7}]', "body", "body is not an object with value"),
        ('{"value": "7"}', "value", "value is not a whole number"),
        ('{"value": 7.0}', "value", "value is not a whole number"),
        ('{"value": true}', "value", "value is not a whole number"),
        ('{"value": null}', "value", "value is not a whole number"),
        ('{"value": 1, "value": 2}', "value", "value is given twice"),
        ('{"value": 1, "val\\u0075e": 2}', "value", "value is given twice"),
        (f'{{"value": {MAX + 1}}}', "value", f"value is greater than {MAX}"),
        (f'{{"value": {MIN - 1}}}', "value", f"value is less than {MIN}"),
        ("value=7", "body", "body is not valid JSON in UTF-8"),
        (b'{"value": 7, "x": "\xff"}', "body", "body is not valid JSON in UTF-8"),
        ('{"x": ' + "[" * 100_000, "body", "JSON is nested too deeply"),
    ],
)
def test_a_bad_value_is_refused(
    service: Service, body: str | bytes, field: str, error: str
) -> None:
    count(service, "as it was", 1)
    before = get(service, "as it was").json()
    reply = put(service, "as it was", body)
    assert reply.status == 400
    assert (reply.json()["field"], reply.json()["error"][: len(error)]) == (field, error)
    assert get(service, "as it was").json() == before


def test_a_bad_key_or_body_is_refused(service: Service) -> None:
    long = put(service, "x" * 256, '{"value": 7}')
    assert (long.status, long.json()["limit"]) == (400, 255)
    for method in ("PUT", "DELETE"):
        for path, error in (("/numbers/", "key is empty"), ("/numbers/%00", "key has a NUL")):
            reply = service.request(method, path, '{"value": 7}', {**ADMIN, "Content-Type": JSON})
            assert reply.status == 400, path
            assert reply.json()["error"].startswith(error)
    assert service.request("DELETE", "/numbers/%FF", headers=ADMIN).status == 400
    large = put(service, "a", '{"value": 7}' + " " * 1024**2)
    assert (large.status, large.json()["limit"]) == (413, 1024**2)
    form = put(service, "a", "value=7", Content_Type=FORM)
    assert form.status == 415
    assert form.json() == {
        "error": "Content-Type is not application/json",
        "field": "Content-Type",
    }
    assert put(service, "a", '{"value": 7}', Content_Encoding="gzip").status == 415


def test_only_the_admin_token_sets(service: Service) -> None:
    for headers in ({}, READER, COUNTER, {"Authorization": "Bearer wrong"}):
        for method in ("PUT", "DELETE"):
            reply = service.request(method, of_key("a"), '{"value": 1}', headers)
            assert reply.status == 401, headers
            assert reply.headers["www-authenticate"] == "Bearer"


def test_nobody_sets_without_an_admin_token(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    for method in ("PUT", "DELETE"):
        for headers in ({}, ADMIN, {"Authorization": "Bearer "}):
            reply = service.request(method, of_key("a"), '{"value": 1}', headers)
            assert reply.status == 403
            assert "ADMIN_TOKEN" in reply.json()["error"]
    allowed = service.request("PATCH", of_key("a"))
    assert (allowed.status, allowed.headers["allow"]) == (405, "GET, PUT, DELETE, HEAD")
