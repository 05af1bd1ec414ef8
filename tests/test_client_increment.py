"""The client's `increment`: what it takes, what it refuses, and that it waits for nothing."""

from __future__ import annotations

import gc
import json
import signal
import socket
import time
import traceback
from collections.abc import Iterator
from enum import IntEnum, StrEnum
from threading import Thread

import pytest

from incrementer_client import Closed, Counter, Full
from incrementer_client.batch import batches
from incrementer_client.gathering import Gathering
from tests.testbed.ports import free_port
from tests.testbed.stand_in import StandIn


@pytest.fixture
def away() -> Iterator[Counter]:
    """A counter whose service is away."""
    counter = Counter(f"http://127.0.0.1:{free_port()}", max_keys=5, batch_keys=2)
    yield counter
    counter.close(0)


_SECONDS = ("interval_seconds", "timeout_seconds", "max_pause_seconds", "exit_seconds")


class Page(StrEnum):
    HOME = "page:/"


class Size(IntEnum):
    LARGE = 3


@pytest.mark.parametrize(
    ("key", "value", "error", "says"),
    [
        ("", 1, ValueError, "from 1 to 255"),
        ("k" * 256, 1, ValueError, "from 1 to 255"),
        ("a\0b", 1, ValueError, "NUL"),
        ("\ud800", 1, ValueError, "UTF-8"),
        (b"a", 1, TypeError, "bytes"),
        (None, 1, TypeError, "NoneType"),
        ("a", 2**63, ValueError, str(2**63 - 1)),
        ("a", -(2**63) - 1, ValueError, str(-(2**63))),
        ("a", 1.0, TypeError, "float"),
        ("a", True, TypeError, "bool"),
    ],
)
def test_what_the_service_would_refuse_is_refused_at_once(
    stand_in: StandIn, key: str, value: int, error: type[Exception], says: str
) -> None:
    with Counter(stand_in.url) as counter:
        with pytest.raises(error, match=says):
            counter.increment(key, value)
        assert counter.stats().queued == 0
    assert not stand_in.received


def test_limits_themselves_and_enumerations_count(stand_in: StandIn) -> None:
    with Counter(stand_in.url) as counter:
        counter.increment("k" * 255, 2**63 - 1)
        counter.increment("low", -(2**63))
        counter.increment(Page.HOME, Size.LARGE)
    assert stand_in.totals == {"k" * 255: 2**63 - 1, "low": -(2**63), "page:/": 3}


def test_a_sum_beyond_64_bits_is_sent_in_values_that_are_not(stand_in: StandIn) -> None:
    with Counter(stand_in.url) as counter:
        for _ in range(3):
            counter.increment("high", 2**63 - 1)
            counter.increment("low", -(2**63))
    assert stand_in.totals == {"high": 3 * (2**63 - 1), "low": -3 * 2**63}
    sent = [each["value"] for received in stand_in.received for each in json.loads(received.body)]
    assert all(-(2**63) <= value < 2**63 for value in sent)


def test_a_batch_keeps_its_limits_and_loses_nothing() -> None:
    sums = {f"{'😀' * (i % 200)}{i}": i for i in range(1000)}
    made = list(batches(sums, 5000, max_keys=100, max_bytes=4096))
    assert all(len(batch.body) <= 4096 for batch in made)
    items = [json.loads(batch.body) for batch in made]
    assert all(1 <= len(each) <= 100 for each in items)
    assert {each["key"]: each["value"] for part in items for each in part} == sums
    assert sum(batch.increments for batch in made) == 5000


def test_a_service_that_does_not_answer_holds_up_no_increment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        counter = Counter(f"http://127.0.0.1:{silent.getsockname()[1]}", interval_seconds=0)
        counter.increment("first")
        silent.accept()[0].recv(1)  # it is being sent, and there will be no answer
        began = time.monotonic()
        for i in range(1000):
            counter.increment(f"key:{i}")
        assert time.monotonic() - began < 1
        assert counter.stats().queued == 1001
        began = time.monotonic()
        assert counter.close(0.1) == 1001
        assert time.monotonic() - began < 3


def test_keys_that_are_there_count_on_where_there_is_no_room_for_others(away: Counter) -> None:
    taken: list[str] = []
    refusal = None
    while refusal is None:  # some of them are in the batch that is being sent
        try:
            away.increment(f"key:{len(taken)}")
            taken.append(f"key:{len(taken)}")
        except Full as full:
            refusal = full
    assert "5 keys" in str(refusal)
    assert 5 <= len(taken) <= 7
    away.increment(taken[-1], 7)
    assert away.stats().queued == len(taken) + 1
    with pytest.raises(Full):
        away.increment("another")


def test_a_key_that_waits_to_be_sent_counts_on_and_is_one_key() -> None:
    gathering = Gathering(max_keys=3, batch_keys=3)
    for _ in range(2):
        for key in "abc":
            gathering.add(key, 1)
        with pytest.raises(Full):
            gathering.add("d", 1)
        assert gathering.take() == ({"a": 1, "b": 1, "c": 1}, 3)
    gathering.let_go()
    gathering.add("d", 1)


def test_half_of_max_keys_that_are_counted_all_the_time_are_never_full() -> None:
    counter = Counter(
        f"http://127.0.0.1:{free_port()}", max_keys=100, batch_keys=100, interval_seconds=0
    )
    for _ in range(2000):
        for i in range(51):
            counter.increment(f"key:{i}")
    assert counter.close(0) == 2000 * 51


def test_room_comes_back_with_the_service(stand_in: StandIn) -> None:
    with Counter(stand_in.url, max_keys=5, batch_keys=5, interval_seconds=0) as counter:
        refused = 0
        for i in range(200):
            while True:
                try:
                    counter.increment(f"key:{i}")
                    break
                except Full:
                    refused += 1
                    time.sleep(0.001)
    assert stand_in.totals == {f"key:{i}": 1 for i in range(200)}


def test_a_closed_counter_refuses(stand_in: StandIn) -> None:
    counter = Counter(stand_in.url)
    counter.increment("a")
    assert counter.close() == 0
    with pytest.raises(Closed):
        counter.increment("a")
    assert counter.close() == 0
    assert stand_in.totals == {"a": 1}


@pytest.mark.parametrize("seconds", [float("inf"), 1e10])
def test_close_waits_for_as_long_as_it_takes(stand_in: StandIn, seconds: float) -> None:
    counter = Counter(stand_in.url)
    counter.increment("a")
    assert counter.close(seconds) == 0
    assert stand_in.totals == {"a": 1}


def test_threads_lose_no_increment(stand_in: StandIn) -> None:
    with Counter(stand_in.url, interval_seconds=0, batch_keys=3) as counter:

        def count() -> None:
            for i in range(5000):
                counter.increment(f"key:{i % 7}")

        threads = [Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(stand_in.totals.values()) == 8 * 5000
    assert counter.stats().sent == 8 * 5000


def test_signal_handlers_and_finalizers_count_in_the_middle_of_an_increment(
    stand_in: StandIn,
) -> None:
    counted = {"handler": 0, "finalizer": 0}

    def handle(*_: object) -> None:
        counter.increment("handler")
        counted["handler"] += 1

    class Finalized:
        def __init__(self) -> None:
            self.itself = self  # so that the collector comes for it, whenever that is

        def __del__(self) -> None:
            counter.increment("finalizer")
            counted["finalizer"] += 1

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with Counter(stand_in.url, interval_seconds=0) as counter:
            signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
            for i in range(30_000):
                counter.increment(f"own:{i % 50}")
                if i % 10 == 0:
                    Finalized()
            signal.setitimer(signal.ITIMER_REAL, 0)
            gc.collect()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    totals = dict(stand_in.totals)
    assert counted["handler"] > 0
    assert {name: totals.pop(name) for name in counted} == counted
    assert sum(totals.values()) == 30_000


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"url": "localhost:3333"}, "http://"),
        ({"url": "http://user:password@host"}, "more than a host"),
        ({"url": "http://[::1"}, "no address"),
        ({"url": "http://host:99999"}, "no address"),
        ({"url": "http://host/?a=b"}, "more than a host"),
        ({"url": "http://host/a b"}, "escaped"),
        ({"token": "a\nb"}, "token"),
        ({"token": ""}, "empty"),
        ({"batch_keys": 10_001}, "batch_keys"),
        ({"batch_bytes": 100}, "batch_bytes"),
        ({"max_keys": 10}, "max_keys"),
        ({"max_spool_bytes": 10}, "max_spool_bytes"),
        ({"interval_seconds": -1}, "interval_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        *(
            ({name: value}, name)
            for name in _SECONDS
            for value in (1e10, float("inf"), float("nan"))
        ),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Counter(**{"url": "http://localhost", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "htps://user:secret@host",
        "http://user:secret@host",
        "http://user:secret/more@host",
        "http://user:secret@host/a b",
        "http://user:secret\u2100@host",
    ],
)
def test_an_error_about_the_address_does_not_show_a_password(url: str) -> None:
    with pytest.raises(ValueError, match="url") as refused:
        Counter(url)
    assert "secret" not in "".join(traceback.format_exception(refused.value))


def test_the_token_is_not_shown() -> None:
    counter = Counter("http://localhost", token="secret")
    assert "secret" not in repr(vars(counter))
