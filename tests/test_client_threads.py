"""The client's threads: nothing that happens to the program ends its counting for good."""

from __future__ import annotations

import logging
from threading import Thread

import pytest

from incrementer_client import Counter
from tests.testbed.stand_in import Order, StandIn
from tests.testbed.waiting import wait_for


class Interrupted(Exception):
    """What a signal handler raises."""


def _count_on(counter: Counter) -> int:
    """Count with a key that is there already until something counts; return how often."""
    calls = 0

    def count() -> bool:
        nonlocal calls
        counter.increment("a")
        calls += 1
        return counter.stats().sent > 0

    wait_for(count, "an increment that counts", seconds=10)
    return calls


def test_threads_that_cannot_be_started_are_started_later(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    start = Thread.start
    failures = iter(range(2))

    def fail_at_first(thread: Thread) -> None:
        if thread.name.startswith("incrementer") and next(failures, None) is not None:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(Thread, "start", fail_at_first)
    with Counter(stand_in.url, interval_seconds=0) as counter:
        calls = _count_on(counter)
    assert stand_in.totals == {"a": calls}
    assert [each.getMessage() for each in caplog.records if "thread" in each.getMessage()] == [
        "Increments stay in memory: no thread can be started: can't start new thread"
    ]


@pytest.mark.parametrize("role", ["gatherer", "sender"])
@pytest.mark.parametrize("runs", [False, True], ids=["before it runs", "when it runs"])
def test_a_signal_handler_that_raises_while_a_thread_is_started_costs_nothing(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, role: str, runs: bool
) -> None:
    start = Thread.start
    raised: list[bool] = []

    def interrupted(thread: Thread) -> None:
        is_first = thread.name == f"incrementer-{role}" and not raised
        if runs or not is_first:
            start(thread)
        if is_first:
            raised.append(True)
            raise Interrupted

    monkeypatch.setattr(Thread, "start", interrupted)
    with Counter(stand_in.url, interval_seconds=0) as counter:
        with pytest.raises(Interrupted):
            counter.increment("a")
        calls = _count_on(counter)
    assert stand_in.totals == {"a": calls + 1}


def test_a_log_handler_that_raises_costs_its_messages_only(stand_in: StandIn) -> None:
    class Raising(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise ConnectionError("the log server is away")

    handler = Raising()
    logger = logging.getLogger("incrementer_client")
    logger.addHandler(handler)
    try:
        stand_in.orders.extend([Order(503, {"Retry-After": "0"}), Order(400)])
        with Counter(stand_in.url, interval_seconds=0, max_pause_seconds=0.01) as counter:
            counter.increment("refused")
            wait_for(lambda: counter.stats().refused, "a refusal", seconds=10)
            counter.increment("a")
            wait_for(lambda: counter.stats().sent, "it to count", seconds=10)
    finally:
        logger.removeHandler(handler)
    assert stand_in.totals == {"a": 1}
