"""`GET /`: what this is, for programs and for people."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import counters
from tests.testbed.service import Service

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_a_program_is_told_what_this_is_and_where_it_is_described(shared_service: Service) -> None:
    reply = shared_service.request("GET", "/")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["vary"] == "Accept"
    told = reply.json()
    assert told["version"] == counters.__version__
    assert told["description"] == "/openapi.json"
    assert told["idempotency_hours"] == 24


def test_a_browser_gets_a_page_with_the_same(shared_service: Service) -> None:
    told = shared_service.request("GET", "/").json()
    reply = shared_service.request("GET", "/", headers=BROWSER)
    assert reply.status == 200
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["vary"] == "Accept"
    page = unescape(reply.body.decode())
    for part in told["about"], told["version"], 'href="/openapi.json"', *told["endpoints"]:
        assert part in page


def test_whoever_may_not_read_totals_is_told_as_well(tmp_path: Path) -> None:
    with Service(tmp_path, READ_TOKEN="secret") as service:
        assert service.request("GET", "/").status == 200
