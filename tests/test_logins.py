"""Who tries to log in too often is told to wait, and nobody else is."""

from __future__ import annotations

from tests.testbed.admin import LOGIN_PATH
from tests.testbed.replies import Reply
from tests.testbed.service import Service, StartService
from tests.testbed.waiting import wait_for

BURST = 10


def log_in(service: Service, address: str) -> Reply:
    """Try once. Without a CSRF token it gets 403, but it is a try."""
    return service.request("POST", LOGIN_PATH, headers={"X-Forwarded-For": address})


def test_an_address_that_tries_too_often_gets_429_and_may_try_again_soon(
    start_service: StartService,
) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    attacker, other = "192.0.2.1", "192.0.2.2"
    tried = [log_in(service, attacker).status for _ in range(BURST)]
    assert tried == [403] * BURST
    refused = log_in(service, attacker)
    assert refused.status == 429
    assert 0 < int(refused.headers["retry-after"]) <= 6
    assert refused.headers["content-type"].startswith("text/html")
    assert b"try again in" in refused.body
    assert log_in(service, other).status == 403
    assert service.request("GET", LOGIN_PATH, headers={"X-Forwarded-For": attacker}).status == 200
    service.increment("a")
    wait_for(lambda: log_in(service, attacker).status == 403, "the next try", seconds=20)
    assert log_in(service, attacker).status == 429


def test_addresses_of_one_ipv6_subscriber_are_one(start_service: StartService) -> None:
    service = start_service(WEB_CONCURRENCY="1")
    for number in range(BURST):
        assert log_in(service, f"2001:db8::{number + 1:x}").status == 403
    assert log_in(service, "2001:db8::ffff:1").status == 429
    assert log_in(service, "2001:db8:0:1::1").status == 403
