"""gunicorn's access log has a line for each reply, whoever answers."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

from tests.testbed.commands import GUNICORN
from tests.testbed.requests import LANE, increment, talk
from tests.testbed.service import StartService
from tests.testbed.waiting import wait_for


def test_no_client_writes_lines_of_its_own(start_service: StartService, tmp_path: Path) -> None:
    file = tmp_path / "access.log"
    command = [*GUNICORN, "--access-logfile", str(file), "--access-logformat", "%(u)s %(r)s"]
    service = start_service(command=command, WEB_CONCURRENCY="1")
    paths = "/increment", "/%69ncrement", "/admin/login/"
    users = "x\nGET /forged", "x\r", "\x1b[2J", "a b", "\u2028", "\x85", "ada"
    for path in paths:
        for user in users:
            credentials = b64encode(f"{user}:secret".encode()).decode()
            service.request("PUT", path, headers={"Authorization": f"Basic {credentials}"})

    def logged() -> list[str]:
        return [line for line in file.read_text().splitlines() if "/healthz" not in line]

    expected = [f"{name} PUT {path} HTTP/1.1" for path in paths for name in [*["-"] * 6, "ada"]]
    wait_for(lambda: len(logged()) >= len(expected), "the log's lines", service.log)
    assert logged() == expected


def test_all_replies_are_logged_in_order_and_format(
    start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    line = '%(h)s %(u)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %({{x-mine}}i)s %(q)s'
    command = [*GUNICORN, "--access-logfile", str(file), "--access-logformat", line]
    service = start_service(command=command, WEB_CONCURRENCY="1")
    service.increment("a")
    wait_for(lambda: '"POST /increment HTTP' in file.read_text(), "its line")
    before = len(file.read_text().splitlines())
    headers = {"User-Agent": "me", "Referer": "there", "X-Mine": "x", "Authorization": "Basic YTpi"}
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    service.request("POST", "/increment?q=1", "key=a&value=x", headers)
    for path in ("/increment", "/%69ncrement", "/healthz", "/static/admin/css/base.css"):
        service.request("GET", path, headers=forwarded)
    lane = increment(LANE, "a")
    talk(service.port, [lane + lane + lane.replace(b"Host: x\r\n", b"")])
    expected = [
        '127.0.0.1 a "POST /increment?q=1 HTTP/1.1" 415 N "there" "me" x q=1',
        '203.0.113.9 - "GET /increment HTTP/1.1" 405 N "-" "-" - ',
        '203.0.113.9 - "GET /%69ncrement HTTP/1.1" 405 N "-" "-" - ',
        '203.0.113.9 - "GET /healthz HTTP/1.1" 200 N "-" "-" - ',
        '203.0.113.9 - "GET /static/admin/css/base.css HTTP/1.1" 200 N "-" "-" - ',
        '127.0.0.1 - "POST /increment HTTP/1.1" 200 N "-" "-" - ',
        '127.0.0.1 - "POST /increment HTTP/1.1" 200 N "-" "-" - ',
        '127.0.0.1 - "- - -" 400 N "-" "-" - ',
    ]

    def logged() -> list[str]:
        lines = file.read_text().splitlines()[before:]
        return [re.sub(r'" (\d{3}) [1-9]\d* "', r'" \1 N "', line) for line in lines]

    wait_for(lambda: len(logged()) >= len(expected), "the log's lines", service.log)
    # A refusal is logged when it is decided, which may be before the replies that are due.
    assert sorted(logged()) == sorted(expected)


def test_each_request_is_logged_with_its_own_id(
    start_service: StartService, tmp_path: Path
) -> None:
    file = tmp_path / "access.log"
    line = "%({{idempotency-key}}i)s %(s)s"
    command = [*GUNICORN, "--access-logfile", str(file), "--access-logformat", line]
    service = start_service(command=command, WEB_CONCURRENCY="1")
    before = len(file.read_text().splitlines())
    ids = ["first", "second", '"third"', '"bad', '"fourth";a']
    heads = [LANE + f"Idempotency-Key: {id_}\r\n".encode() for id_ in ids]
    talk(service.port, [*(increment(head, "a") for head in heads), b"\r\n\r\nEND\r\n\r\n"])

    def logged() -> list[str]:
        return file.read_text().splitlines()[before:]

    expected = ["first 200", "second 200", '\\"third\\" 200', '\\"bad 400', '\\"fourth\\";a 200']
    wait_for(lambda: len(logged()) >= len(expected), "the log's lines", service.log)
    assert [each for each in logged() if not each.startswith("-")] == expected


def test_without_an_access_log_no_request_is_logged(start_service: StartService) -> None:
    service = start_service()
    service.increment("a")
    service.request("GET", "/nothing")
    service.stop()
    assert "HTTP/1.1" not in service.log()
