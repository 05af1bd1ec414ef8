"""Which web pages may read replies, as browsers ask for it (CORS)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import Reply
from tests.testbed.requests import FORM
from tests.testbed.service import Service

WAYS = {"lane": GUNICORN, "event loop": PLAIN_ASGI, "Django": WSGI}
SHOP, CAFE = "https://shop.example", "http://cafe.example:8080"
ALLOW = "access-control-allow-origin"


@pytest.fixture(scope="module", params=WAYS)
def service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("cors")
    command = WAYS[request.param]
    with Service(
        folder, command=command, CORS_ORIGINS=f"{SHOP}, {CAFE}", WEB_CONCURRENCY="1"
    ) as running:
        yield running


def ask(
    service: Service,
    method: str,
    path: str,
    origin: str | None = None,
    body: bytes = b"",
    asks: dict[str, str] | None = None,
) -> Reply:
    headers = {"Content-Type": FORM, **(asks or {})}
    if origin is not None:
        headers["Origin"] = origin
    return service.request(method, path, body, headers)


REQUESTS = {
    "increment": ("POST", "/increment", b"key=cors&value=1", 200),
    "refused increment": ("POST", "/increment", b"key=cors", 400),
    "total": ("GET", "/numbers/never", b"", 404),
    "totals": ("GET", "/numbers?key=cors", b"", 200),
    "health": ("GET", "/healthz", b"", 200),
    "wrong method": ("PATCH", "/increment", b"", 405),
}


@pytest.mark.parametrize(("method", "path", "body", "status"), REQUESTS.values(), ids=REQUESTS)
def test_pages_that_are_named_may_read(
    service: Service, method: str, path: str, body: bytes, status: int
) -> None:
    for _ in range(2):  # the lane knows the second one's head
        for origin in (SHOP, CAFE):
            reply = ask(service, method, path, origin, body)
            assert (reply.status, reply.headers.get(ALLOW)) == (status, origin)
            assert reply.headers.get("vary") == "Origin"
            assert "ETag" in (reply.headers.get("access-control-expose-headers") or "")
        for origin in ("https://evil.example", f"{SHOP}.evil.example", "null", f"{SHOP}:444"):
            reply = ask(service, method, path, origin, body)
            assert (reply.status, reply.headers.get(ALLOW)) == (status, None)
            assert reply.headers.get("vary") == "Origin"
        assert ask(service, method, path, body=body).headers.get(ALLOW) is None


@pytest.mark.parametrize(
    ("path", "methods"), [("/increment", "POST"), ("/numbers/a", "GET"), ("/numbers", "GET")]
)
def test_a_browser_may_ask_before(service: Service, path: str, methods: str) -> None:
    wanted = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, authorization, idempotency-key",
    }
    reply = ask(service, "OPTIONS", path, SHOP, asks=wanted)
    assert (reply.status, reply.body, reply.headers.get(ALLOW)) == (204, b"", SHOP)
    assert methods in (reply.headers.get("access-control-allow-methods") or "")
    for name in ("Authorization", "Content-Type", "Idempotency-Key", "Prefer"):
        assert name in (reply.headers.get("access-control-allow-headers") or "")
    refused = ask(service, "OPTIONS", path, "https://evil.example", asks=wanted)
    assert (refused.status, refused.headers.get(ALLOW)) == (403, None)
    assert refused.json()["field"] == "Origin"
    assert ask(service, "OPTIONS", path).status == 405


def test_without_the_setting_no_page_may(shared_service: Service) -> None:
    for method, path, body, _ in REQUESTS.values():
        reply = ask(shared_service, method, path, SHOP, body)
        assert (reply.headers.get(ALLOW), reply.headers.get("vary")) == (None, None)
    preflight = {"Access-Control-Request-Method": "POST"}
    assert ask(shared_service, "OPTIONS", "/increment", SHOP, asks=preflight).status == 405


def test_any_page_may_where_it_says_so(tmp_path: Path) -> None:
    with Service(tmp_path, CORS_ORIGINS="*", WEB_CONCURRENCY="1") as service:
        for method, path, body, status in REQUESTS.values():
            reply = ask(service, method, path, "https://anyone.example", body)
            assert (reply.status, reply.headers.get(ALLOW)) == (status, "*")
            assert reply.headers.get("vary") is None
            assert ask(service, method, path, body=body).headers.get(ALLOW) is None


def test_what_replies_vary_with_is_all_named(service: Service) -> None:
    """Otherwise a cache gives the page for browsers to programs."""
    for accept in "text/html", "application/json":
        headers = {"Accept": accept, "Origin": SHOP}
        vary = service.request("GET", "/", headers=headers).headers["vary"]
        assert {name.strip() for name in vary.split(",")} >= {"Accept", "Origin"}
