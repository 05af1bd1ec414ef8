"""What the lane remembers of heads means the same however the bytes arrive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from counters.recorder import recorder
from counters.web import replies
from counters.web.lookup import Lookup
from counters.web.replies import Reply
from incrementer_site import lookups
from incrementer_site.lane.lane import Lane
from incrementer_site.lane.limits import Limits
from tests.testbed.lane_client import LaneClient
from tests.testbed.replies import read_replies
from tests.testbed.requests import build_request

TOTAL = b"GET /numbers/a HTTP/1.1\r\nHost: x"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x"
END = b"\r\n\r\n"


pytestmark = pytest.mark.usefixtures("counting")


@pytest.fixture(autouse=True)
def totals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each key has the total 7."""

    def ask(lookup: Lookup, callback: Callable[[Reply], object]) -> None:
        reply = lookup.render(dict.fromkeys(lookup.keys, 7))
        asyncio.get_running_loop().call_soon(callback, reply)

    monkeypatch.setattr(lookups, "ask", ask)


async def other(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("the lane answers all of it")


def talk(*pieces: bytes, before: bytes = b"") -> bytes:
    """Return what a lane answers to `pieces`, on one connection, after `before` on another."""

    async def run() -> bytes:
        lane = Lane(Limits())
        if before:
            await LaneClient(lane, other).send(before)
        client = LaneClient(lane, other)
        received = await client.send(*pieces)
        await client.leave()
        return received

    return asyncio.run(run())


def without_date(received: bytes) -> list[bytes]:
    return [line for line in received.split(b"\r\n") if not line.startswith(b"date:")]


@pytest.mark.parametrize(
    "request_",
    [TOTAL + END, HEALTH + END, build_request(b"key=a&value=1")],
    ids=["total", "health", "increment"],
)
def test_a_known_head_may_be_split_anywhere(request_: bytes) -> None:
    whole = without_date(talk(request_))
    for cut in range(1, len(request_)):
        first, rest = request_[:cut], request_[cut:]
        assert talk(first, before=request_) == b"", cut
        assert without_date(talk(first, rest, before=request_)) == whole, cut


@pytest.mark.parametrize("known", [TOTAL, HEALTH])
def test_what_begins_like_a_known_head_is_not_answered_before_its_end(known: bytes) -> None:
    # If it were, what follows would be read as a request of its own: it would count.
    hidden = build_request(b"key=hidden&value=1")
    (reply,) = read_replies(talk(known, hidden, END, before=known + END))
    assert reply.status == 400  # the value of Host goes on, and is none
    assert recorder().state().buffer.pending_keys == 0


@pytest.mark.parametrize("known", [TOTAL, HEALTH])
def test_headers_after_a_known_beginning_are_heeded(known: bytes) -> None:
    received = talk(known, b"\r\nConnection: close" + END, before=known + END)
    (reply,) = read_replies(received)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


@pytest.mark.parametrize("reply", [replies.totals_unavailable(), replies.server_failed()])
def test_no_reply_to_head_has_a_body(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lookup: Lookup, callback: Callable[[Reply], object]) -> None:
        asyncio.get_running_loop().call_soon(callback, reply)

    monkeypatch.setattr(lookups, "ask", fail)
    received = talk(TOTAL.replace(b"GET", b"HEAD") + END, HEALTH + END)
    failed, health = read_replies(received, "HEAD")
    assert (failed.status, failed.body) == (reply.status, b"")
    assert health.json()["alive"]


@pytest.mark.parametrize("target", [b"/numbers/%ff", b"/numbers/a%00b", b"/numbers/a#b"])
def test_no_refusal_of_head_has_a_body(target: bytes) -> None:
    received = talk(b"HEAD %s HTTP/1.1\r\nHost: x" % target + END)
    assert received.startswith(b"HTTP/1.1 400")
    assert received.endswith(END)
