"""Clients that send increments as fast as they can and write down what became of each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread

from tests.testbed.requests import FORM
from tests.testbed.service import Service
from tests.testbed.waiting import wait_for


class Load:
    """Load from `clients` connections; each is kept alive, and is opened again when it breaks.

    Each increment goes to one of twenty keys that begin with `prefix`.

    As a context manager it sends the load. Read the attributes after the block.

    Attributes:
        acknowledged: per key, the sum of the increments that got 200.
        unanswered: per key, the sum of the increments that got no reply: they may count or not.
    """

    def __init__(self, service: Service, *, clients: int = 8, prefix: str = "key") -> None:
        self.acknowledged: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self._keys = [f"{prefix} {number}" for number in range(20)]
        self._port = service.port
        self._stopping = Event()
        self._outcomes: list[tuple[Counter[str], Counter[str]]] = []
        self._threads = [Thread(target=self._client, args=[seed]) for seed in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(100)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        for acknowledged, unanswered in self._outcomes:
            self.acknowledged += acknowledged
            self.unanswered += unanswered

    @property
    def so_far(self) -> int:
        """The sum of all increments acknowledged up to now."""
        return sum(acknowledged.total() for acknowledged, _ in list(self._outcomes))

    def wait_for_more(self, increments: int) -> None:
        """Return once the sum of what is acknowledged has grown by `increments`."""
        goal = self.so_far + increments
        wait_for(lambda: self.so_far >= goal, "increments to be acknowledged")

    def check(self, totals: Mapping[str, int]) -> None:
        """Check that `totals` have what was acknowledged, and may have what was not answered.

        Raises:
            AssertionError: a total is too low or too high.
        """
        for key in self._keys:
            least = self.acknowledged[key]
            most = least + self.unanswered[key]
            assert least <= totals.get(key, 0) <= most, (
                f"{key}: acknowledged {least}, unanswered {most - least},"
                f" total {totals.get(key, 0)}"
            )

    def _client(self, seed: int) -> None:
        chance = random.Random(seed)
        acknowledged: Counter[str] = Counter()
        unanswered: Counter[str] = Counter()
        self._outcomes.append((acknowledged, unanswered))
        while not self._stopping.is_set():
            with closing(HTTPConnection("127.0.0.1", self._port, timeout=60)) as connection:
                try:
                    connection.connect()
                except OSError:
                    self._stopping.wait(0.02)  # the service is down
                    continue
                while not self._stopping.is_set():
                    key, value = chance.choice(self._keys), chance.randint(1, 100)
                    try:
                        connection.request(
                            "POST", "/increment", f"key={key}&value={value}", {"Content-Type": FORM}
                        )
                        response = connection.getresponse()
                        response.read()
                    except (OSError, HTTPException):
                        unanswered[key] += value
                        break
                    if response.status == 200:
                        acknowledged[key] += value
