"""The steps of one increment, timed alone: `python -m benchmarks.steps`.

A connection of the lane gets its requests from memory, 25 in each turn of the event loop, as under
load. Its replies are thrown away. The journal is a real file. The times do not contain what the
kernel and uvloop need to receive, to send and to wait.
"""

from __future__ import annotations

import asyncio
import os
import timeit
from collections.abc import Callable
from functools import partial

import django
from django.core.management import call_command

from benchmarks.paths import new_folder
from tests.testbed.requests import LANE, increment

_TURN_REQUESTS = 25
"""How many requests arrive in one turn of the event loop."""
_TURNS = 4000
"""How many turns are timed together."""
_REPEATS = 7
"""How often that is done; the best time is printed."""

_BODY = b"key=k123&value=1"


def main() -> None:
    with new_folder() as folder:
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "incrementer_site.settings",
            "DATABASE_URL": f"sqlite:///{folder}/numbers.db",
            "JOURNAL_DIR": f"{folder}/journal",
            "INCREMENT_TOKEN": "",
        }
        django.setup()
        call_command("migrate", verbosity=0)
        print("| step | µs |\n|---|---:|")
        asyncio.run(_measure())


def _report(step: str, function: Callable[[], object], requests: int = 1) -> None:
    """Print how long `function` takes for each of the `requests` that it does the step for."""
    times = _TURNS * _TURN_REQUESTS // requests
    best = min(timeit.repeat(function, number=times, repeat=_REPEATS))
    print(f"| {step} | {best / times / requests * 1e6:.2f} |")


async def _measure() -> None:
    from counters.config import config
    from counters.increments import Increment
    from counters.journal import Journal
    from counters.recorder import recorder
    from counters.sections import increments_section
    from counters.web.bodies import parse_form

    one = [Increment("k123", 1)]
    make_one, make_many = (partial(increments_section, one * n) for n in (1, _TURN_REQUESTS))
    journal = Journal(config().journal_dir, max_unflushed_bytes=2**40)
    steps: dict[str, Callable[[], object]] = {
        "parse the form": partial(parse_form, _BODY),
        "make the journal's section of it": make_one,
        "append that to the journal, with a CRC-32, `write(2)`": partial(
            journal.append, make_one()
        ),
        "record it: both of these, and the delta in memory": partial(recorder().record, one),
    }
    for step, function in steps.items():
        _report(step, function)
    _report(f"make one section of {_TURN_REQUESTS} increments, each", make_many, _TURN_REQUESTS)
    _report("append that, each", partial(journal.append, make_many()), _TURN_REQUESTS)
    _report(
        f"record {_TURN_REQUESTS}, each",
        partial(recorder().record, one * _TURN_REQUESTS),
        _TURN_REQUESTS,
    )
    _report("all of it in the lane", _turn(), _TURN_REQUESTS)


def _turn() -> Callable[[], None]:
    """Return a function that has one connection receive and answer a turn's requests."""
    from incrementer_site.lane.lane import Lane
    from incrementer_site.lane.limits import Limits
    from tests.testbed.lane_client import LaneClient

    class Client(LaneClient):
        def write(self, data: object) -> None:
            pass  # the reply is thrown away

    async def application(scope: object, receive: object, send: object) -> None:
        raise AssertionError("only the lane is timed")

    lane = Lane(Limits())
    client = Client(lane, application)
    request = increment(LANE, "k123")

    def turn() -> None:
        for _ in range(_TURN_REQUESTS):
            client.deliver(request)
        lane.turn.answer()

    return turn


if __name__ == "__main__":
    main()
