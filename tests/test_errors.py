"""Every error of every endpoint has the same shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import Reply, read_replies
from tests.testbed.requests import JSON, build_request, talk
from tests.testbed.service import Service

TOKEN = "token"
ENDPOINTS = {"/increment": "POST", "/healthz": "GET, HEAD", "/readyz": "GET, HEAD"}
CLOSE = "Connection: close"


@pytest.fixture(scope="module", params=[GUNICORN, PLAIN_ASGI, WSGI], ids=["lane", "asgi", "wsgi"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service in one of the ways in which it may be run."""
    with Service(
        tmp_path_factory.mktemp("served"),
        command=request.param,
        INCREMENT_TOKEN=TOKEN,
        MAX_BODY_BYTES="1024",
        MAX_PENDING_KEYS="1",
        FLUSH_INTERVAL="3600",
        WEB_CONCURRENCY="1",
    ) as service:
        yield service


def ask(service: Service, raw: bytes) -> Reply:
    (reply,) = read_replies(talk(service.port, [raw]))
    return reply


def assert_is_error(reply: Reply, status: int) -> None:
    assert reply.status == status, reply
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.body.endswith(b"}\n")
    assert reply.body.count(b"\n") == 1
    detail = json.loads(reply.body)
    assert isinstance(detail["error"], str)
    assert detail["error"]
    assert isinstance(detail.get("field", ""), str)
    assert isinstance(detail.get("limit", 0), int)
    if status == 503:
        assert int(reply.headers["retry-after"]) > 0


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods(served: Service, endpoint: str, method: str) -> None:
    allowed = ENDPOINTS[endpoint]
    if method in allowed:
        return
    reply = ask(served, build_request(b"", CLOSE, line=f"{method} {endpoint} HTTP/1.1"))
    assert_is_error(reply, 405)
    assert reply.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path", ["/nothing", "/number", "/increment/", "/healthz/x", "/%ff", "/a%00b"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_other_paths(served: Service, method: str, path: str) -> None:
    reply = ask(served, build_request(b"", CLOSE, line=f"{method} {path} HTTP/1.1"))
    assert_is_error(reply, 404)


BEARER = f"Bearer {TOKEN}"
REFUSED = {
    "no token": (401, build_request(b"key=a&value=1", CLOSE, token=None)),
    "no key": (400, build_request(b"value=1", CLOSE, token=BEARER)),
    "no number": (400, build_request(b"key=a&value=x", CLOSE, token=BEARER)),
    "too large": (400, build_request(b"key=a&value=%d" % 2**63, CLOSE, token=BEARER)),
    "no JSON": (400, build_request(b"{", CLOSE, token=BEARER, content_type=JSON)),
    "empty batch": (400, build_request(b"[]", CLOSE, token=BEARER, content_type=JSON)),
    "text": (415, build_request(b"a", CLOSE, token=BEARER, content_type="text/plain")),
    "long body": (413, build_request(b"x" * 1025, CLOSE, token=BEARER)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused_increments(served: Service, why: str) -> None:
    status, raw = REFUSED[why]
    assert_is_error(ask(served, raw), status)


def test_no_room(served: Service) -> None:
    first = build_request(b"key=a&value=1", CLOSE, token=BEARER)
    assert ask(served, first).status == 200
    assert_is_error(ask(served, first.replace(b"key=a", b"key=b")), 503)
    readyz = build_request(b"", CLOSE, line="GET /readyz HTTP/1.1")
    assert_is_error(ask(served, readyz), 503)


def test_what_is_no_http(tmp_path: Path) -> None:
    with Service(tmp_path) as service:
        assert_is_error(ask(service, b"nonsense\r\n\r\n"), 400)
        assert_is_error(ask(service, b"GET / HTTP/1.1\r\nX: " + b"x" * 200_000), 431)
