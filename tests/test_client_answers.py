"""What the client does with each answer of the service, and with none."""

from __future__ import annotations

import json
import logging
import socket
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from threading import Thread

import pytest

from incrementer_client import Counter
from incrementer_client.answer import MAX_RETRY_AFTER_SECONDS, Answer, Verdict
from incrementer_client.connection import Connection
from incrementer_client.pauses import pause_seconds
from tests.testbed.ports import free_port
from tests.testbed.stand_in import Order, StandIn
from tests.testbed.waiting import wait_for


def counting_in(stand_in: StandIn, spool: Path | None = None) -> Counter:
    return Counter(stand_in.url, interval_seconds=0, max_pause_seconds=0.05, spool=spool)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_failure_that_may_pass_has_the_same_bytes_sent_with_the_same_id(
    stand_in: StandIn, status: int
) -> None:
    stand_in.orders.extend([Order(status)] * 3)
    with counting_in(stand_in) as counter:
        counter.increment("a", 5)
        wait_for(lambda: counter.stats().sent == 1, "it to count")
    assert [each.status for each in stand_in.received] == [status] * 3 + [200]
    assert len({(each.id, each.body) for each in stand_in.received}) == 1
    assert counter.stats().retried == 3
    assert stand_in.totals == {"a": 5}


def test_the_pause_that_the_service_asks_for_is_kept(stand_in: StandIn) -> None:
    stand_in.orders.append(Order(503, {"Retry-After": "1"}))
    with counting_in(stand_in) as counter:
        counter.increment("a")
        wait_for(lambda: counter.stats().sent == 1, "it to count")
    first, second = stand_in.received
    assert second.at - first.at >= 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0),
        ("", 0),
        ("7", 7),
        ("999999999", MAX_RETRY_AFTER_SECONDS),
        ("soon", 0),
        ("-5", 0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0),
        ("Mon, 01 Jan 2024 00:00:00 +9999999999", 0),
        (format_datetime(datetime(2001, 1, 1, tzinfo=UTC), usegmt=True), 0),
    ],
)
def test_retry_after_is_read_as_seconds_and_has_an_end(header: str | None, seconds: float) -> None:
    assert Answer(503, retry_after=header).retry_after_seconds == seconds


def test_retry_after_is_read_as_a_date() -> None:
    until = datetime.now(UTC) + timedelta(seconds=100)
    answer = Answer(503, retry_after=format_datetime(until, usegmt=True))
    assert 90 < answer.retry_after_seconds <= 100


def test_pauses_are_anything_up_to_a_limit_that_doubles_to_its_end() -> None:
    for failures, limit in ((0, 0.1), (3, 0.8), (100, 30)):
        drawn = [pause_seconds(failures, 30) for _ in range(1000)]
        assert 0 <= min(drawn) < limit / 10
        assert limit * 0.9 < max(drawn) <= limit


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_a_batch_that_will_never_count_is_kept_in_the_spool_for_people(
    stand_in: StandIn, tmp_path: Path, status: int
) -> None:
    stand_in.orders.append(Order(status))
    with counting_in(stand_in, tmp_path) as counter:
        counter.increment("a", 5)
        wait_for(lambda: counter.stats().refused == 1, "it to be refused")
        counter.increment("b")
    (kept,) = (tmp_path / "refused").iterdir()
    assert kept.name == f"{stand_in.received[0].id}.{status}.json"
    assert json.loads(kept.read_text()) == [{"key": "a", "value": 5}]
    assert stand_in.totals == {"b": 1}
    stats = counter.stats()
    assert (stats.queued, stats.sent, stats.refused, stats.retried) == (0, 1, 1, 0)


def test_without_a_spool_the_log_has_what_will_never_count(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.orders.append(Order(400))
    with counting_in(stand_in) as counter:
        counter.increment("a", 5)
        wait_for(lambda: counter.stats().refused == 1, "it to be refused")
    (record,) = (each for each in caplog.records if each.levelno == logging.ERROR)
    assert '[{"key":"a","value":5}]' in record.getMessage()
    assert "400 (so ordered)" in record.getMessage()


def test_an_id_that_is_ahead_of_the_services_clock_waits_for_it() -> None:
    refused = Answer(400, b'{"error": "it is ahead", "field": "Idempotency-Key", "limit": 1}')
    assert refused.verdict is Verdict.AGAIN_ONCE_MENDED
    assert Answer(400, b'{"error": "no", "field": "key"}').verdict is Verdict.REFUSED


@pytest.mark.parametrize("status", [301, 401, 403, 404])
def test_a_wrong_address_or_token_costs_nothing_once_it_is_mended(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    stand_in.orders.extend([Order(status)] * 3)
    began = time.monotonic()
    with Counter(stand_in.url, interval_seconds=0, max_pause_seconds=0.2) as counter:
        counter.increment("a")
        wait_for(lambda: counter.stats().sent == 1, "it to count")
    assert time.monotonic() - began > 3 * 0.1  # it is not asked at full speed
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "mended" in warnings[0].getMessage()
    assert stand_in.totals == {"a": 1}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>please log in</html>"),
        (200, b"{}"),
        (204, b""),
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>"),
        (400, b"[" * 60_000),
        (413, b"<html>Request Entity Too Large</html>"),
        (421, None),
        (426, None),
    ],
)
def test_what_the_service_itself_has_not_said_costs_nothing(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture, status: int, body: bytes | None
) -> None:
    stand_in.orders.extend([Order(status, body=body)] * 2)
    with counting_in(stand_in) as counter:
        counter.increment("a")
        wait_for(lambda: stand_in.totals["a"] == 1, "it to count")
    assert counter.stats().sent == 1
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert f"says {status}" in warning.getMessage()
    assert "mended" in warning.getMessage()


def test_problems_that_come_in_turn_are_told_once_each_and_on_one_line(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    for i in range(5):
        stand_in.orders.append(Order(503, body=b'{"error": "%d\\nforged\\u001b[31m"}' % i))
        stand_in.orders.append(Order(502))
    with counting_in(stand_in) as counter:
        counter.increment("a")
        wait_for(lambda: counter.stats().sent == 1, "it to count")
    told = [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]
    assert ["503" in each for each in told] == [True, False]
    assert told[0].isprintable()


def test_the_token_is_sent(stand_in: StandIn) -> None:
    stand_in.token = "secret"
    with Counter(stand_in.url, token="secret") as counter:
        counter.increment("a")
    assert stand_in.totals == {"a": 1}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://[::1]", ("::1", 80)),
        ("https://[2001:db8::8]/counts", ("2001:db8::8", 443)),
        ("https://[2001:db8::8]:8443", ("2001:db8::8", 8443)),
        ("http://counter.example", ("counter.example", 80)),
    ],
)
def test_it_is_asked_at_the_address_that_the_url_has(
    monkeypatch: pytest.MonkeyPatch, url: str, address: tuple[str, int]
) -> None:
    asked = []

    def create_connection(address: tuple[str, int], *_: object, **__: object) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    with pytest.raises(ConnectionRefusedError):
        Connection(url, None, None).open(1)
    assert asked == [address]


def test_an_outage_is_logged_once_and_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    counter = Counter(f"http://127.0.0.1:{port}", interval_seconds=0, max_pause_seconds=0.02)
    for _ in range(10):
        counter.increment("a")
    wait_for(lambda: caplog.records, "the failure to be logged")
    stand_in = StandIn(port)
    with stand_in:
        assert counter.close(30) == 0
    assert stand_in.totals == {"a": 10}
    warnings = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert len(warnings) == 1
    assert "ConnectionRefusedError" in warnings[0].getMessage()


def test_a_connection_that_the_service_has_closed_meanwhile_is_no_trouble(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    with counting_in(stand_in) as counter:
        for i in range(3):
            counter.increment("a")
            wait_for(lambda i=i: counter.stats().sent == i + 1, "it to count")  # type: ignore[misc]
            stand_in.close_connections()
    assert stand_in.totals == {"a": 3}
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


def test_a_connection_that_is_closed_after_each_failure_is_no_other_problem(
    stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.orders.extend([Order(503)] * 1000)
    with counting_in(stand_in) as counter:
        counter.increment("a")
        for count in range(1, 5):
            stand_in.wait_for_requests(5 * count)
            stand_in.close_connections()
        stand_in.orders.clear()
        wait_for(lambda: counter.stats().sent == 1, "it to count")
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "503" in warning.getMessage()


def test_what_remains_is_said_and_logged_with_its_amounts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counter = Counter(f"http://127.0.0.1:{free_port()}", batch_keys=2, interval_seconds=0)
    for i in range(7):
        counter.increment(f"key:{i}", i)
    assert counter.close(0.2) == 7
    said = "".join(each.getMessage() for each in caplog.records if each.levelno == logging.ERROR)
    assert all(f'{{"key":"key:{i}","value":{i}}}' in said for i in range(7))
    assert "do not count" in said


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    """Each piece of it is in time; the whole is not."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def drip() -> None:
            with suppress(OSError):
                connection = server.accept()[0]
                connection.sendall(b"HTTP/1.1 200 OK\r\nX-Drops: ")
                while True:
                    connection.sendall(b"x")
                    time.sleep(0.05)

        Thread(target=drip, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        counter = Counter(url, interval_seconds=0, timeout_seconds=0.3, max_pause_seconds=0.01)
        counter.increment("a")
        wait_for(lambda: counter.stats().retried, "another attempt", seconds=10)
        counter.close(0)
