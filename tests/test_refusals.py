"""A refusal names what is wrong with the request, and not something else."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest

from tests.testbed.commands import GUNICORN, PLAIN_ASGI, WSGI
from tests.testbed.replies import Reply, read_replies
from tests.testbed.requests import FORM, JSON, build_request, talk
from tests.testbed.service import Service

BODY = b"key=refused&value=1"
JSON_BODY = b'{"key": "refused", "value": 1}'
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
CLOSE = "Connection: close"


@pytest.fixture(scope="module", params=[GUNICORN, PLAIN_ASGI, WSGI], ids=["lane", "asgi", "wsgi"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The service in one of the ways in which it may be run."""
    folder = tmp_path_factory.mktemp("served")
    with Service(folder, command=request.param, WEB_CONCURRENCY="1") as service:
        yield service


def ask(service: Service, raw: bytes) -> Reply:
    (reply,) = read_replies(talk(service.port, [raw]))
    return reply


def form(body: bytes, *headers: str) -> bytes:
    return build_request(body, CLOSE, *headers)


def json(body: bytes, *headers: str) -> bytes:
    return build_request(body, CLOSE, *headers, content_type=JSON)


QUERY = "POST /increment?key=refused&value=1 HTTP/1.1"
REFUSED = {
    "gzip": (json(gzip.compress(JSON_BODY), "Content-Encoding: gzip"), 415, "Content-Encoding"),
    "unknown coding": (form(BODY, "Content-Encoding: x"), 415, "Content-Encoding"),
    "two codings": (
        form(BODY, "Content-Encoding: identity", "Content-Encoding: br"),
        415,
        "Content-Encoding",
    ),
    "in the query, no type": (
        build_request(b"", CLOSE, line=QUERY, content_type=None),
        400,
        "not into the URL",
    ),
    "in the query": (build_request(b"", CLOSE, line=QUERY), 400, "not into the URL"),
    "no body": (build_request(b"", CLOSE, content_type=None), 400, "body is empty"),
    "line end after the value": (form(BODY + b"\n"), 400, "line end"),
    "line end after the key": (form(b"value=1&key=refused\n"), 400, "line end"),
    "line end of Windows": (form(b"value=1&key=refused\r\n"), 400, "line end"),
    "two lines": (form(BODY + b"\n" + BODY), 400, "line end"),
    "JSON as a form": (form(JSON_BODY), 400, "looks like JSON"),
    "a batch as a form": (form(b"[%s]" % JSON_BODY), 400, "looks like JSON"),
    "a form as JSON": (json(BODY), 400, "looks like a form"),
    "multipart": (
        build_request(b"--x", CLOSE, content_type="multipart/form-data; boundary=x"),
        415,
        f"neither {FORM} nor {JSON}",
    ),
    "one object": (json(b'{"key": "refused", "value": 1.5}'), 400, 'value is not a whole number"'),
    "the third of a batch": (
        json(b"[%s,%s,%s]" % (JSON_BODY, JSON_BODY, b'{"key": "refused", "value": 1.5}')),
        400,
        "value is not a whole number (at [2].value)",
    ),
}


@pytest.mark.parametrize("why", REFUSED)
def test_a_refusal_names_what_is_wrong(served: Service, why: str) -> None:
    raw, status, words = REFUSED[why]
    reply = ask(served, raw)
    assert reply.status == status, reply
    assert words in reply.body.decode()
    assert (status == 415 and "Encoding" in words) == ("accept-encoding" in reply.headers)


def test_nothing_of_them_counts(served: Service) -> None:
    accepted = [
        form(BYTE_ORDER_MARK + BODY.replace(b"refused", b"marked")),
        json(BYTE_ORDER_MARK + JSON_BODY.replace(b"refused", b"marked")),
        json(b"[%s]\r\n" % JSON_BODY.replace(b"refused", b"line end in JSON")),
        form(b"key=escaped%0A&value=1", "Content-Encoding: identity"),
    ]
    assert [ask(served, raw).status for raw in accepted] == [200] * 4
    for raw, _, _ in REFUSED.values():
        assert ask(served, raw).status >= 400
    served.manage("flushnumbers")
    assert served.totals() == {"marked": 2, "line end in JSON": 1, "escaped\n": 1}


@pytest.mark.parametrize("path", ["/increment/", "/Increment", "/nothing", "/number?x=1", "/adm"])
def test_a_wrong_path_is_named_under_any_host(served: Service, path: str) -> None:
    raw = form(BODY).replace(b"/increment", path.encode()).replace(b"localhost", b"counter.example")
    reply = ask(served, raw)
    assert reply.status == 404
    assert reply.headers["content-type"] == "application/json"
    assert path.partition("?")[0] in reply.json()["error"]
    assert "POST to /increment" in reply.json()["error"]


@pytest.mark.parametrize("path", ["/admin/", "/admin", "/admin/login/"])
def test_the_admin_is_not_shown_under_any_host(served: Service, path: str) -> None:
    raw = build_request(b"", CLOSE, line=f"GET {path} HTTP/1.1", content_type=None)
    assert ask(served, raw).status in (200, 301, 302)
    assert ask(served, raw.replace(b"localhost", b"counter.example")).status == 400


@pytest.mark.parametrize("path", ["/increment", "/%69ncrement"])
@pytest.mark.parametrize("second", [FORM, JSON])
def test_two_content_types_are_named(shared_service: Service, path: str, second: str) -> None:
    raw = form(BODY, f"Content-Type: {second}").replace(b"/increment", path.encode())
    reply = ask(shared_service, raw)
    assert reply.status == 400
    assert reply.json() == {"error": "Content-Type is given twice", "field": "Content-Type"}
