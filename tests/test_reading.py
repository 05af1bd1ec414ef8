"""Reading totals over HTTP: one, or those of several keys."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import Reply, read_replies, statuses
from tests.testbed.requests import FORM, JSON, LANE, build_request, framed, talk
from tests.testbed.service import NEVER, Service, StartService

WAYS = {"lane": GUNICORN, "event loop": PLAIN_ASGI, "Django": WSGI}
KEYS = [
    "plain",
    "a/b",
    "/leading and trailing/",
    "a//b",
    "a%2Fb",
    ".",
    "..",
    "../increment",
    "a?b#c&d=e+f;g",
    " blanks around ",
    "ümläut and 🎉",
    "line\nend\r\n",
    "\u202eright to left",
    "\"quotes\" 'and' \\",
    "csv",
    "x" * 255,
    "🎉" * 255,
]


def get(service: Service, path: str, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return service.request("GET", path, headers=named)


def of_key(key: str, query: str = "") -> str:
    return f"/numbers/{quote(key, safe='')}{query}"


@pytest.fixture(scope="module", params=WAYS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service, each way; all of `KEYS` have totals."""
    folder = tmp_path_factory.mktemp("reading")
    with Service(folder, command=WAYS[request.param], WEB_CONCURRENCY="1") as running:
        batch = [{"key": key, "value": number} for number, key in enumerate(KEYS)]
        assert running.post(json.dumps(batch), JSON).status == 200
        assert get(running, of_key(KEYS[1], "?fresh=1")).status == 200
        yield running


@pytest.mark.parametrize("key", KEYS)
def test_any_key_can_be_asked_for(service: Service, key: str) -> None:
    expected = {"key": key, "value": KEYS.index(key)}
    reply = get(service, of_key(key))
    assert (reply.status, reply.json()) == (200, expected)
    assert reply.headers.get("content-type") == "application/json"
    assert reply.headers.get("cache-control") == "no-cache"
    listed = get(service, f"/numbers?key={quote_plus(key)}")
    assert (listed.status, listed.json()) == (200, {"numbers": [expected], "next": None})


def test_slashes_need_no_escape(service: Service) -> None:
    assert get(service, "/numbers/a/b").json() == {"key": "a/b", "value": KEYS.index("a/b")}


def test_many_keys_come_in_the_order_asked_and_null_where_never_counted(service: Service) -> None:
    keys = [*reversed(KEYS), "never", KEYS[0], "never"]
    reply = get(service, "/numbers?" + "&".join(f"key={quote_plus(key)}" for key in keys))
    assert [each["key"] for each in reply.json()["numbers"]] == keys
    values = [each["value"] for each in reply.json()["numbers"]]
    assert values == [*reversed(range(len(KEYS))), None, 0, None]


def test_a_thousand_keys_at_once_and_no_more(shared_service: Service) -> None:
    # (With other workers than ours, gunicorn takes no request line of this length.)
    service = shared_service
    query = "&".join(f"key=k{number}" for number in range(1000))
    assert len(get(service, f"/numbers?{query}").json()["numbers"]) == 1000
    reply = get(service, f"/numbers?{query}&key=one")
    assert (reply.status, reply.json()["field"], reply.json()["limit"]) == (400, "key", 1000)


def test_a_key_never_counted_is_not_found(service: Service) -> None:
    reply = get(service, "/numbers/never")
    assert (reply.status, reply.json()) == (
        404,
        {"error": "never was never counted", "field": "key"},
    )


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/numbers/", "key"),
        (f"/numbers/{'x' * 256}", "key"),
        ("/numbers/a%00b", "key"),
        ("/numbers/%ff", "path"),
        ("/numbers/%ed%a0%80", "path"),
        ("/numbers/a?fresh=2", "fresh"),
        ("/numbers/a?fresh=1&fresh=1", "fresh"),
        ("/numbers/a?Fresh=1", "Fresh"),
        ("/numbers/a?x", "x"),
        ("/numbers?key=a&key=", "key"),
        (f"/numbers?key={'x' * 256}", "key"),
        ("/numbers?key=%ff", "query"),
        ("/numbers?" + "a&" * 1200, "query"),
        ("/numbers?key=a&fresh=yes", "fresh"),
    ],
)
def test_what_is_wrong_is_named(service: Service, path: str, field: str) -> None:
    reply = get(service, path)
    assert (reply.status, reply.json().get("field")) == (400, field), reply


@pytest.mark.parametrize("command", [GUNICORN, WSGI], ids=["lane", "Django"])
def test_an_address_with_a_hash_means_no_key(
    start_service: StartService, command: tuple[str, ...]
) -> None:
    # Some servers would read on behind it, and others would not: they would mean two keys.
    service = start_service(command=command, ADMIN_TOKEN="admin")
    service.increment("a")
    admin = "Authorization: Bearer admin"
    for line in (
        *("GET /numbers/a#b HTTP/1.1", "GET /numbers?key=a#b HTTP/1.1"),
        *("DELETE /numbers/a#b HTTP/1.1", "POST /increment#a HTTP/1.1"),
    ):
        asked = build_request(b"key=a&value=1", admin, "Connection: close", line=line)
        (reply,) = read_replies(talk(service.port, [asked]))
        assert (reply.status, reply.json()["field"]) == (400, "path"), line
    assert get(service, "/numbers/a?fresh=1").json()["value"] == 1


def test_other_methods_are_refused(service: Service) -> None:
    for path in ("/numbers/a", "/numbers"):
        reply = service.request("POST", path, b"key=a&value=1", {"Content-Type": FORM})
        assert reply.status == 405
        assert "GET" in (reply.headers.get("allow") or "")


def test_a_client_that_has_it_gets_it_once(service: Service) -> None:
    for path in (of_key("a/b"), "/numbers?key=a%2Fb"):
        first = get(service, path)
        tag = first.headers.get("etag") or ""
        for known in (tag, f'W/{tag}, "other"', f'"other" , {tag}', "*"):
            again = get(service, path, If_None_Match=known)
            assert (again.status, again.body) == (304, b"")
            assert again.headers.get("etag") == tag
        assert get(service, path, If_None_Match='"other"').body == first.body


def test_head_is_get_without_the_body(service: Service) -> None:
    for path in (of_key("a/b"), "/numbers?key=a", "/numbers/never", "/numbers/"):
        got, head = get(service, path), service.request("HEAD", path)
        assert (head.status, head.body) == (got.status, b"")
        for name in ("content-type", "content-length", "etag", "cache-control"):
            assert head.headers.get(name) == got.headers.get(name)


@pytest.mark.parametrize("command", WAYS.values(), ids=WAYS)
def test_each_token_does_its_own_job(start_service: StartService, command: tuple[str, ...]) -> None:
    service = start_service(command=command, READ_TOKEN="read", INCREMENT_TOKEN="count")
    reader, counter = ({"Authorization": f"Bearer {token}"} for token in ("read", "count"))
    assert service.post("key=a&value=1", **reader).status == 401
    assert service.post("key=a&value=1", **counter).status == 200
    for path in ("/numbers/a?fresh=1", "/numbers?key=a"):
        assert get(service, path, **reader).status == 200
        for headers in (counter, {}, {"Authorization": "Basic read"}):
            reply = get(service, path, **headers)
            assert (reply.status, reply.headers.get("www-authenticate")) == (401, "Bearer")
    assert get(service, "/healthz").status == 200
    # Who may not read gets no total for an increment either.
    reply = service.post("key=a&value=1", Prefer="return=representation", **counter)
    assert (reply.status, reply.json()) == (200, {"ok": True})


def test_replies_come_in_the_order_of_the_requests(service: Service) -> None:
    increment = LANE + framed(b"key=order&value=1")
    read, missing = (
        b"GET /numbers/%s HTTP/1.1\r\nHost: x\r\n\r\n" % key for key in (b"csv", b"no")
    )
    health = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /nothing/here HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    pieces = [increment, read, missing, read, increment, increment, read, health, missing, last]
    expected = [200, 200, 404, 200, 200, 200, 200, 200, 404, 404]
    for sent in ([b"".join(pieces)], pieces, [b"".join(pieces[:5]), b"".join(pieces[5:])]):
        assert statuses(talk(service.port, sent)) == expected


def test_a_database_that_is_away_is_a_503_and_no_secret(tmp_path: Path) -> None:
    with Service(tmp_path, WEB_CONCURRENCY="1") as service:
        service.increment("a", 5)
        assert get(service, "/numbers/a?fresh=1").json()["value"] == 5
        away = tmp_path / "away.db"
        service.database.rename(away)
        service.database.mkdir()
        service.wait_until(lambda: get(service, "/numbers/a").status == 503, "the reads to fail")
        for path in ("/numbers/a", "/numbers/a?fresh=1", "/numbers?key=a"):
            reply = get(service, path)
            assert reply.status == 503
            assert str(tmp_path) not in reply.body.decode()
            assert reply.headers.get("retry-after") == "1"
        assert service.log().count("A request for totals failed") == 1
        service.database.rmdir()
        away.rename(service.database)
        service.wait_until(lambda: get(service, "/numbers/a").status == 200, "the reads to succeed")


def test_a_database_that_takes_the_place_of_another_is_seen(tmp_path: Path) -> None:
    # Without a further flush, which would bring into the new one what the journal has.
    with Service(tmp_path, WEB_CONCURRENCY="1", FLUSH_INTERVAL=NEVER) as service:
        service.increment("a", 5)
        assert get(service, "/numbers/a?fresh=1").json()["value"] == 5
        service.database.rename(tmp_path / "away.db")
        service.manage("migrate", "-v0")
        service.wait_until(lambda: get(service, "/numbers/a").status == 404, "the new one is read")
