"""The steps of one increment, timed alone: `python -m benchmarks.steps`.

A connection of the lane is fed with requests that are there already, two dozen to a turn of the
event loop, as under load, and its replies go nowhere. The journal is a real file. What the kernel
and uvloop do to receive, to send and to wait is not in it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import timeit
from collections.abc import Callable
from functools import partial

import django
from django.core.management import call_command

TURN = 25
"""Requests that arrive in one turn of the event loop."""
_TURNS = 4000
_REPEAT = 7

_BODY = b"key=k123&value=1"
_HEAD = (
    b"POST /increment HTTP/1.1\r\nHost: 127.0.0.1:3333\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d" % len(_BODY)
)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="incrementer-bench-", dir="/var/tmp") as folder:
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
    times = _TURNS * TURN // requests
    best = min(timeit.repeat(function, number=times, repeat=_REPEAT))
    print(f"| {step} | {best / times / requests * 1e6:.2f} |")


async def _measure() -> None:
    from counters.config import config
    from counters.increments import Increment
    from counters.journal import Journal
    from counters.recorder import recorder
    from counters.records import increments_section
    from counters.web.bodies import parse_form

    one = [Increment("k123", 1)]
    make_one, make_many = (partial(increments_section, one * n) for n in (1, TURN))
    journal = Journal(config().journal_dir, max_unflushed_bytes=2**40)
    steps: dict[str, Callable[[], object]] = {
        "parse the form": partial(parse_form, _BODY),
        "make the journal's section of it": make_one,
        "append that to the journal, with a CRC-32, `write(2)`": partial(
            journal.append, [make_one()]
        ),
        "record it: both of these, and the delta in memory": partial(recorder().record, one),
    }
    for step, function in steps.items():
        _report(step, function)
    _report(f"make one section of {TURN} increments, each", make_many, TURN)
    _report("append that, each", partial(journal.append, [make_many()]), TURN)
    _report(f"record {TURN}, each", partial(recorder().record, one * TURN), TURN)
    _report("all of it in the lane", _turn(), TURN)


def _turn() -> Callable[[], None]:
    """Return a function that has one connection receive and answer a turn's requests."""
    from uvicorn import Config
    from uvicorn.server import ServerState

    from incrementer_site.lane.lane import Lane
    from incrementer_site.lane.limits import Limits
    from incrementer_site.lane.protocol import IncrementProtocol

    uvicorn = Config("incrementer_site.asgi:application", ws="none")
    uvicorn.load()
    lane = Lane(Limits())
    connection = IncrementProtocol(lane, uvicorn, ServerState(), {})
    connection.connection_made(_Nowhere())
    request = _HEAD + b"\r\n\r\n" + _BODY

    def turn() -> None:
        for _ in range(TURN):
            connection.data_received(request)
        lane.turn.answer()

    return turn


class _Nowhere(asyncio.Transport):
    """A transport whose writes vanish."""

    def write(self, data: object) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return False


if __name__ == "__main__":
    main()
