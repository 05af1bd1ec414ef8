"""One turn of the event loop: the increments that arrive in it are recorded and answered together.

Together they cost one write to the journal, and one sync with `JOURNAL_FSYNC=always`.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from typing import Protocol

from counters.journal import JournalUnwritable
from counters.receipt import Receipt
from counters.recorder import Recorder, recorder
from counters.web import replies
from counters.web.increment import Recordable, refusal
from counters.web.replies import RECORDED, Reply
from incrementer_site.lane.heads import Head, fit
from incrementer_site.lane.limits import Limits

logger = logging.getLogger(__name__)


class Connection(Protocol):
    """Where a request came from, and its reply goes."""

    def reply(self, reply: Reply, style: int) -> None: ...
    def owes_one(self) -> bool: ...


Sender = tuple[Connection, int]
"""A connection, and how its reply is to look (`heads.style_of`)."""


class Turn:
    """The increments that have arrived since the event loop last came round."""

    def __init__(self, limits: Limits) -> None:
        self._max_increments = limits.max_turn_increments
        self._max_bytes = limits.max_turn_bytes
        self._bytes = 0
        self._arrivals: list[tuple[Connection, Head, bytes]] = []

    def __len__(self) -> int:
        return len(self._arrivals)

    def add(self, connection: Connection, head: Head, body: bytes) -> None:
        """Have an increment answered with the others of this turn, in the order of their coming."""
        if not self._arrivals:
            asyncio.get_running_loop().call_soon(self.answer)
        self._arrivals.append((connection, head, body))
        self._bytes += len(body)
        if self._bytes >= self._max_bytes or len(self._arrivals) == self._max_increments:
            self.answer()

    def answer(self) -> None:
        """Record and answer what has arrived; the event loop calls it at the end of its turn."""
        arrivals, self._arrivals = self._arrivals, []
        self._bytes = 0
        requests: list[Recordable] = []
        answers: list[Reply] = []
        for _, head, body in arrivals:
            try:
                found = head.read(body)
            except Exception:  # one request's trouble is not that of the others in its turn
                logger.exception("A request failed.")
                found = replies.server_failed()
            if isinstance(found, Reply):
                answers.append(fit(found, head.method))
            else:
                requests.append(found)
                answers.append(RECORDED)
        running = recorder()
        receipt: Receipt | None = None
        if requests:
            receipt, answers = _record(running, requests, answers)
        # Nothing holds the bodies from here on. A sync may take long, and they much memory.
        senders = [(connection, head.style) for connection, head, _ in arrivals]
        if running.waits_for_sync:
            _send_after_sync(running, senders, answers, receipt)
        else:
            _send(senders, answers)


def _record(
    running: Recorder, requests: Sequence[Recordable], answers: list[Reply]
) -> tuple[Receipt | None, list[Reply]]:
    """Record requests with one write; return the receipt, if there is one, and the answers.

    Args:
        answers: `RECORDED` stands where a request of `requests` is to be answered.
    """
    try:
        receipt = running.record(requests)
    except JournalUnwritable as problem:
        return None, _instead(answers, RECORDED, replies.journal_unwritable(problem))
    except Exception:
        logger.exception("POST /increment failed.")
        return None, _instead(answers, RECORDED, replies.server_failed())
    if receipt.refused:
        places = [place for place, answer in enumerate(answers) if answer is RECORDED]
        for refused, why in receipt.refused.items():
            answers[places[refused]] = refusal(why)
    return receipt, answers


def _instead(answers: Sequence[Reply], wrong: Reply, right: Reply) -> list[Reply]:
    return [right if each is wrong else each for each in answers]


def _send_after_sync(
    running: Recorder,
    senders: Sequence[Sender],
    answers: Sequence[Reply],
    receipt: Receipt | None,
) -> None:
    waiting: list[tuple[Sender, Reply]] = []
    for sender, answer in zip(senders, answers, strict=True):
        connection, style = sender
        if answer is not RECORDED and connection.owes_one():
            connection.reply(answer, style)  # a refusal, or health: neither waits for the disk
        else:  # or replies of earlier turns, which come before it, are waiting
            waiting.append((sender, answer))
    if not waiting:
        return
    senders, answers = zip(*waiting, strict=True)

    def send() -> None:
        if receipt is None or receipt.is_durable:
            _send(senders, answers)
        else:
            _send(senders, _instead(answers, RECORDED, replies.sync_failed()))

    loop = asyncio.get_running_loop()
    running.after_sync(lambda: loop.call_soon_threadsafe(send))


def _send(senders: Sequence[Sender], answers: Sequence[Reply]) -> None:
    for (connection, style), answer in zip(senders, answers, strict=True):
        connection.reply(answer, style)
    if len(senders) > 1:
        # Under load, the clients or the proxy may be waiting for this CPU. Let them run: then
        # their next requests are all here in the next turn. Otherwise each comes alone, and each
        # costs a wake-up.
        os.sched_yield()
