"""The login throttle counts by address, and forgets."""

from __future__ import annotations

import pytest

from incrementer_site import logins
from incrementer_site.logins import LoginThrottle

BURST = 10


def exhaust(throttle: LoginThrottle, host: str, now: float = 100.0) -> None:
    assert [throttle.seconds_to_wait(host, now) for _ in range(BURST)] == [0] * BURST
    assert throttle.seconds_to_wait(host, now) == 6


def test_a_try_comes_back_every_six_seconds() -> None:
    throttle = LoginThrottle()
    exhaust(throttle, "192.0.2.1")
    assert throttle.seconds_to_wait("192.0.2.1", 102.5) == 4
    assert throttle.seconds_to_wait("192.0.2.1", 106.0) == 0
    assert throttle.seconds_to_wait("192.0.2.1", 106.0) == 6
    exhaust(throttle, "192.0.2.1", 1000.0)  # no more than the burst, however long it was away


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),  # IPv4 clients of an IPv6 socket
        ("2001:db8:0:1::1", "2001:db8:0:2::1"),
        ("2001:db8::1", "192.0.2.1"),
        ("", "192.0.2.1"),  # on a Unix socket
        ("unknown", "192.0.2.1"),
    ],
)
def test_another_address_is_not_affected(first: str, second: str) -> None:
    throttle = LoginThrottle()
    exhaust(throttle, first)
    exhaust(throttle, second)


@pytest.mark.parametrize(
    ("first", "second"),
    [("2001:db8::1", "2001:db8::ffff:1"), ("::ffff:192.0.2.1", "192.0.2.1")],
)
def test_what_one_client_can_choose_is_one_address(first: str, second: str) -> None:
    throttle = LoginThrottle()
    exhaust(throttle, first)
    assert throttle.seconds_to_wait(second, 100.0) == 6


def test_the_oldest_address_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logins, "_MAX_ADDRESSES", 2)
    throttle = LoginThrottle()
    exhaust(throttle, "192.0.2.1")
    exhaust(throttle, "192.0.2.2")
    throttle.seconds_to_wait("192.0.2.3", 100.0)
    assert throttle.seconds_to_wait("192.0.2.2", 100.0) == 6
    exhaust(throttle, "192.0.2.1")
