"""The client, through a proxy that cuts, delays and repeats: each increment counts once.

Each test runs against a stand-in that knows Idempotency-Key, and against the service.
"""

from __future__ import annotations

import uuid
from collections import Counter as Sums
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from incrementer_client import Counter
from tests.testbed.client_programs import client_process, run_client
from tests.testbed.faulty_proxy import Fault, FaultyProxy
from tests.testbed.service import Service
from tests.testbed.stand_in import StandIn
from tests.testbed.waiting import wait_for

ALL = (*Fault, Fault.NONE, Fault.TWICE, Fault.LATE, Fault.CUT_AFTER, Fault.CUT_AFTER)


class Place:
    """Where is counted, with keys that nobody else has."""

    def __init__(self, service: Service | StandIn) -> None:
        self.service = service
        self.prefix = f"{uuid.uuid4()}:"

    def totals(self) -> dict[str, int]:
        """Return the totals of the keys, by what follows their prefix: all that is acknowledged."""
        found: dict[str, int] = {}
        if isinstance(self.service, StandIn):
            found = dict(self.service.totals)
        else:
            path: str | None = f"/numbers?prefix={self.prefix}&limit=1000&fresh=1"
            while path:
                page = self.service.request("GET", path).json()
                found |= {each["key"]: each["value"] for each in page["numbers"]}
                path = page["next"]
        return {
            key.removeprefix(self.prefix): value
            for key, value in found.items()
            if key.startswith(self.prefix)
        }


@pytest.fixture(params=["stand-in", "service"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "service":
        yield Place(request.getfixturevalue("shared_service"))
    else:
        with StandIn() as stand_in:
            yield Place(stand_in)


def test_counts_where_nothing_goes_wrong(place: Place) -> None:
    with Counter(f"http://127.0.0.1:{place.service.port}") as counter:
        for key, value in (("a", 1), ("a", 2), ("b", -3), ("é\n\"'😀", 2**63 - 1), ("zero", 0)):
            counter.increment(place.prefix + key, value)
    assert place.totals() == {"a": 3, "b": -3, "é\n\"'😀": 2**63 - 1, "zero": 0}


@pytest.mark.parametrize("fault", Fault)
def test_one_fault_changes_no_total(place: Place, fault: Fault) -> None:
    with FaultyProxy(place.service.port, [fault, Fault.NONE]) as proxy:
        counter = Counter(proxy.url, timeout_seconds=0.3, interval_seconds=0)
        counter.increment(place.prefix + "a", 5)
        assert counter.close(30) == 0
        proxy.settle()
        assert proxy.faults[fault] >= 1
    assert place.totals() == {"a": 5}


@pytest.mark.parametrize("has_spool", [False, True], ids=["in memory", "in a spool"])
def test_many_faults_change_no_total(place: Place, tmp_path: Path, has_spool: bool) -> None:
    expected: Sums[str] = Sums()
    with FaultyProxy(place.service.port, ALL) as proxy:
        counter = Counter(
            proxy.url,
            spool=tmp_path / "spool" if has_spool else None,
            interval_seconds=0.01,
            batch_keys=20,
            timeout_seconds=0.2,
            max_pause_seconds=0.05,
        )

        def count(number: int) -> None:
            for i in range(600):
                counter.increment(f"{place.prefix}{i % 50}", number + i)

        threads = [Thread(target=count, args=[number]) for number in range(4)]
        for number, thread in enumerate(threads):
            thread.start()
            for i in range(600):
                expected[str(i % 50)] += number + i
        for thread in threads:
            thread.join()
        # Batches go on until each fault has been made.
        more = 0
        while set(proxy.faults) != set(Fault) or sum(proxy.faults.values()) < 20:
            counter.increment(f"{place.prefix}more")
            more += 1
            expected["more"] += 1
            wait_for(lambda: counter.stats().queued == 0, "a batch to be answered")
        assert counter.close(30) == 0
        proxy.settle()
        stats = counter.stats()
    assert place.totals() == dict(expected)
    assert (stats.queued, stats.sent, stats.refused) == (0, 2400 + more, 0)
    assert stats.retried > 0
    assert not list(tmp_path.rglob("*.*"))


COUNT_UNTIL_KILLED = """
counter = Counter(url, spool=spool, interval_seconds=0.005, batch_keys=10, timeout_seconds=0.2,
                  max_pause_seconds=0.05)
for i in range(100_000):
    counter.increment(f"{prefix}{i:06}")
    if i % 10 == 0:
        time.sleep(0.02)
"""
END_WHAT_IS_LEFT = """
counter = Counter(url, spool=spool)
counter.increment(prefix + "last")
assert counter.close(30) == 0, counter.stats()
"""


def test_kill_9_costs_no_batch_of_the_spool_and_counts_none_twice(
    place: Place, tmp_path: Path
) -> None:
    """Keys are counted one after the other, once each: so those that count are the first ones."""
    spool = tmp_path / "spool"
    kills = 3
    prefixes = [f"{place.prefix}{kill}:" for kill in range(kills)]
    with FaultyProxy(place.service.port, ALL) as proxy:
        for kill, prefix in enumerate(prefixes):
            names = {"url": proxy.url, "spool": str(spool), "prefix": prefix}
            asked = sum(proxy.faults.values())
            with client_process(tmp_path, COUNT_UNTIL_KILLED, **names) as program:
                program.wait_until(
                    lambda asked=asked, kill=kill: (  # type: ignore[misc]
                        sum(proxy.faults.values()) > asked + 3 + 4 * kill
                        and list(spool.rglob("*.waiting"))
                    ),
                    "it to send some, and to have some",
                )
                program.kill()
        left = len([*spool.rglob("*.waiting"), *spool.rglob("*.sent")])
        assert left > 0
        proxy.settle()
    names = {"url": f"http://127.0.0.1:{place.service.port}", "spool": str(spool)}
    run_client(END_WHAT_IS_LEFT, **names, prefix=place.prefix)
    totals = place.totals()
    assert totals.pop("last") == 1
    for kill in range(kills):
        of_one = {key: value for key, value in totals.items() if key.startswith(f"{kill}:")}
        assert of_one == {f"{kill}:{i:06}": 1 for i in range(len(of_one))}
        assert of_one
    assert not list(spool.rglob("*.*"))
