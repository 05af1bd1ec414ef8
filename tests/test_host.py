"""Whom a request is for: a request of HTTP/1.1 has just one Host (RFC 9112, 3.2)."""

from __future__ import annotations

import pytest

from tests.testbed.replies import Reply, read_replies
from tests.testbed.requests import talk
from tests.testbed.service import Service

PATHS = ("/increment", "/%69ncrement", "/nothing", "/admin/login/")


def ask(service: Service, path: str, *hosts: str, version: str = "1.1") -> Reply:
    body = b"key=host&value=1"
    lines = [f"POST {path} HTTP/{version}", *(f"Host:{host}" for host in hosts)]
    lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    lines += ["Connection: close"]
    (reply,) = read_replies(talk(service.port, ["\r\n".join([*lines, "", ""]).encode() + body]))
    return reply


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("hosts", "sentence"),
    [
        ([], "Host is missing"),
        ([" a", " a"], "Host is given twice"),
        ([" a", " b"], "Host is given twice"),
        ([" a b"], "Host is no host"),
        ([" a/b"], "Host is no host"),
        ([" user@a"], "Host is no host"),
    ],
)
def test_a_wrong_host_is_refused(
    shared_service: Service, path: str, hosts: list[str], sentence: str
) -> None:
    reply = ask(shared_service, path, *hosts)
    assert reply.status == 400
    assert reply.json() == {"error": sentence, "field": "Host"}


@pytest.mark.parametrize("host", ["", " ", " localhost", " x:3333", " [::1]:3333", " a_b.example."])
def test_any_host_will_do_for_counting(shared_service: Service, host: str) -> None:
    assert ask(shared_service, "/increment", host).status == 200


def test_http_1_0_needs_no_host(shared_service: Service) -> None:
    assert ask(shared_service, "/increment", version="1.0").status == 200
    assert ask(shared_service, "/increment", " a", " b", version="1.0").status == 400


def test_what_came_before_is_answered(shared_service: Service) -> None:
    good = b"POST /increment HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    received = talk(shared_service.port, [good + good.replace(b"Host: x\r\n", b"")])
    assert [reply.status for reply in read_replies(received)] == [400, 400]
