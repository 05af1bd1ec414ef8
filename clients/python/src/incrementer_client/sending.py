"""Sending the batches of an outbox, one after the other, each until it is answered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event

from incrementer_client.answer import Answer, Verdict, one_line
from incrementer_client.batch import Batch
from incrementer_client.connection import FAILURES, Connection
from incrementer_client.outbox import Outbox, log
from incrementer_client.pauses import pause_seconds, slow_pause_seconds


@dataclass(slots=True)
class Sent:
    """What has become of what was sent; see Stats."""

    increments: int = 0
    batches: int = 0
    retries: int = 0
    refused_increments: int = 0


class Sender:
    """Sends the outbox's first batch; its methods belong to one thread at a time."""

    def __init__(
        self,
        outbox: Outbox,
        connection: Connection,
        *,
        timeout_seconds: float,
        max_pause_seconds: float,
    ) -> None:
        self.sent = Sent()
        self._outbox = outbox
        self._connection = connection
        self._timeout_seconds = timeout_seconds
        self._max_pause_seconds = max_pause_seconds
        self._failures = 0  # in a row
        self._attempted: Batch | None = None  # the last batch that an attempt was made with
        self._told: set[str] = set()  # kinds of problems
        self._deadline = float("inf")
        self._hurry = Event()

    # By the sender's thread

    def try_first(self) -> bool:
        """Make one attempt with the first batch, and a pause if it fails.

        Returns:
            Whether there was something to send, and time to do it.
        """
        batch = self._outbox.first()
        left = self._deadline - time.monotonic()
        if batch is None or left <= 0:
            return False
        was_open = False
        try:
            was_open = self._connection.open(min(self._timeout_seconds, left))
            if not self._outbox.begin(batch):
                self._pause(pause_seconds(self._failures, self._max_pause_seconds))
                return True
            if batch is self._attempted:
                self.sent.retries += 1
            self._attempted = batch
            assert batch.id is not None, "it has begun"
            answer = self._connection.post(batch.body, batch.id)
        except FAILURES as error:
            self._connection.close()
            if was_open:
                self._pause(0)  # it was closed meanwhile, which is no sign of trouble
            else:
                kind = type(error).__name__
                seconds = pause_seconds(self._failures, self._max_pause_seconds)
                self._fail(kind, f"{kind}: {one_line(str(error))}", seconds)
        else:
            self._judge(batch, answer)
        return True

    def _judge(self, batch: Batch, answer: Answer) -> None:
        verdict, kind = answer.verdict, str(answer.status)
        if verdict is Verdict.AGAIN:
            seconds = pause_seconds(self._failures, self._max_pause_seconds)
            self._fail(kind, f"the service says {answer}", answer.retry_after_seconds + seconds)
        elif verdict is Verdict.AGAIN_ONCE_MENDED:
            to_mend = "the address, the token, a proxy or a clock has to be mended"
            seconds = slow_pause_seconds(self._max_pause_seconds)
            seconds = max(seconds, answer.retry_after_seconds)
            self._fail(kind, f"the service says {answer}: {to_mend}", seconds)
        else:
            if self._told:
                log.info("The service answers again")
            self._failures = 0
            self._told.clear()
            if verdict is Verdict.COUNTS:
                self.sent.increments += batch.increments
                self.sent.batches += 1
                self._outbox.done(batch)
            else:
                why = f"The service has refused the batch {batch.id}: it says {answer}"
                self.sent.refused_increments += batch.increments
                self._outbox.set_aside(batch, why, answer.status)

    def _fail(self, kind: str, problem: str, seconds: float) -> None:
        """Log a problem, if it is the first one of its kind since all was well, and wait."""
        is_over = time.monotonic() >= self._deadline
        if kind not in self._told and not is_over:
            log.warning("Nothing is lost, and it is tried again: %s", problem)
            self._told.add(kind)
        self._pause(seconds)

    def _pause(self, seconds: float) -> None:
        self._failures += 1
        self._hurry.wait(max(0.0, min(seconds, self._deadline - time.monotonic())))
        self._hurry.clear()

    # By others

    def end_by(self, deadline: float) -> None:
        """Make no attempt after `deadline` (of the monotonic clock), and the next one at once."""
        self._deadline = deadline
        self._hurry.set()

    def abort(self) -> None:
        """Break off an attempt that is under way."""
        self._connection.abort()
