"""`PUT` and `DELETE` of a total over HTTP, and resetnumbers of some keys."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import Reply
from tests.testbed.requests import FORM, JSON
from tests.testbed.service import NEVER, Service, StartService
from tests.testbed.waiting import wait_for

WAYS = {"lane": GUNICORN, "event loop": PLAIN_ASGI, "Django": WSGI}
TOKENS = {"ADMIN_TOKEN": "admin's", "READ_TOKEN": "reader's", "INCREMENT_TOKEN": "counter's"}
ADMIN = {"Authorization": "Bearer admin's"}
READER = {"Authorization": "Bearer reader's"}
COUNTER = {"Authorization": "Bearer counter's"}
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


def of_key(key: str) -> str:
    return f"/numbers/{quote(key, safe='')}"


def put(service: Service, key: str, body: str | bytes, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.request("PUT", of_key(key), body, {**ADMIN, "Content-Type": JSON, **named})


def delete(service: Service, key: str) -> Reply:
    return service.request("DELETE", of_key(key), headers=ADMIN)


def get(service: Service, key: str) -> Reply:
    return service.request("GET", of_key(key) + "?fresh=1", headers=READER)


def count(service: Service, key: str, value: int) -> None:
    body = json.dumps({"key": key, "value": value})
    assert service.post(body, JSON, **COUNTER).status == 200


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


# What the database refuses

CHECK = (
    "DROP TABLE numbers; CREATE TABLE numbers"
    " (key TEXT, value INTEGER, CHECK (value < 1000 AND key NOT LIKE 'bad%'));"
    "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"
)
NO_CHECK = (
    "ALTER TABLE numbers RENAME TO old; DROP INDEX numbers_key_index;"
    "CREATE TABLE numbers (key TEXT, value INTEGER);"
    "CREATE UNIQUE INDEX numbers_key_index ON numbers (key);"
    "INSERT INTO numbers SELECT * FROM old; DROP TABLE old"
)


def change(database: Path, script: str) -> None:
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.executescript(script)


def test_what_the_database_refuses_changes_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)
    with service:
        count(service, "good", 5)
        for key, value in (("good", 1000), ("bad", 1)):
            reply = put(service, key, f'{{"value": {value}}}')
            assert reply.status == 409
            assert "CHECK" in reply.json()["error"]
        service.wait_for_totals({"good": 5})


def test_what_was_refused_of_a_key_is_replaced_with_it(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)

    def refused() -> list[Path]:
        return list(service.journal_dir.glob("*.refused"))

    with service:
        body = [{"key": key, "value": 1} for key in ("bad 1", "bad 2", "bad 3", "good")]
        assert service.post(json.dumps(body), JSON, **COUNTER).status == 200
        wait_for(refused, "a file of what is refused")
        change(service.database, NO_CHECK)
        assert put(service, "bad 1", '{"value": 70}').status == 200
        assert "Deleted 0" in service.manage("resetnumbers", "--noinput", "bad 2")
        for path in refused():
            assert path.stat().st_mode & 0o077 == 0
            path.rename(path.with_suffix(".journal"))
        service.wait_for_totals({"bad 1": 70, "bad 3": 1, "good": 1})


def test_a_file_of_what_was_refused_goes_with_its_last_key(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1")
    change(service.database, CHECK)
    with service:
        count(service, "bad", 1)
        wait_for(lambda: list(service.journal_dir.glob("*.refused")), "a file")
        service.manage("resetnumbers", "--noinput", "--prefix", "b")
        assert not list(service.journal_dir.glob("*.refused*"))


def test_a_journal_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        alien = service.journal_dir / "0.journal"
        alien.write_bytes(b"something else")
        reply = put(service, "a", '{"value": 5}')
        assert reply.status == 503
        assert str(alien) in reply.json()["error"]
        assert str(alien) in service.manage("resetnumbers", "--noinput", "a", code=1)
        alien.unlink()
        assert get(service, "a").json()["value"] == 1
        assert put(service, "a", '{"value": 5}').status == 200


def test_what_dead_processes_left_is_replaced_too(tmp_path: Path) -> None:
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        count(service, "b", 1)
        service.kill()
        assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "a")
        assert service.totals() == {"b": 1}
        service.start()
        assert service.totals() == {"b": 1}


def test_what_only_a_stopped_process_knows_is_not_replaced_by_halves(tmp_path: Path) -> None:
    """Its journal is damaged, and what it held is in the memory of a process that stands still."""
    service = Service(tmp_path, **TOKENS, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER)
    with service:
        count(service, "a", 1)
        count(service, "b", 2)
        (worker,) = service.journal_owners()
        (journal,) = service.journal_dir.glob("*.journal")
        os.kill(worker, signal.SIGSTOP)
        try:
            with journal.open("r+b") as file:
                file.seek(150)  # in the first record, behind the header
                byte = file.read(1)[0]
                file.seek(150)
                file.write(bytes([byte ^ 1]))
            said = service.manage("resetnumbers", "--noinput", "a", code=1)
            assert "is damaged, and its process counts from memory" in said
        finally:
            os.kill(worker, signal.SIGCONT)
        assert "Deleted 1 totals" in service.manage("resetnumbers", "--noinput", "a")
        service.stop()
    assert service.totals() == {"b": 2}


# resetnumbers


def test_resetnumbers_deletes_the_keys_that_are_named(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    for key in ("a", "b", "-c", "d e"):
        service.increment(key, 1)
    said = service.manage("resetnumbers", "--noinput", "--", "a", "-c", "never", "a")
    assert said.startswith("Deleted 2 totals")
    assert service.totals() == {"b": 1, "d e": 1}
    service.increment("a", 5)
    said = service.manage("resetnumbers", "b", "d e", stdin="no\n", code=1)
    assert "deletes the totals of b, d e in" in said
    service.stop()
    assert service.totals() == {"a": 5, "b": 1, "d e": 1}


def test_resetnumbers_takes_a_prefix_for_what_it_is(start_service: StartService) -> None:
    service = start_service(FLUSH_INTERVAL=NEVER)
    others = ["A_%", "a", "ax%", "a_", "a_$", "a_&", "b"]
    these = ["a_%", "a_%\U0010ffff", "a_%%", "a_% 🎉", "a_%\ud7ff"]
    for key in others + these:
        service.increment(key, 1)
    said = service.manage("resetnumbers", "--noinput", "--prefix", "a_%")
    assert said.startswith("Deleted 5 totals")
    assert set(service.totals()) == set(others)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a", "--prefix", "b"), "Give KEYs or --prefix, not both."),
        (("--prefix", ""), "Every key begins with nothing"),
        (("",), "key is empty"),
        (("x" * 256,), "key is longer than 255 characters"),
        (("--prefix", "x" * 256), "key is longer than 255 characters"),
    ],
)
def test_resetnumbers_refuses_what_is_no_key(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    service = Service(tmp_path)
    assert said in service.manage("resetnumbers", "--noinput", *arguments, code=1)
