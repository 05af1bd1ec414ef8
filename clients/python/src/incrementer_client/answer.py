"""What a reply says about a batch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

MAX_RETRY_AFTER_SECONDS = 3600
"""A longer Retry-After is taken for this."""
_MAX_SAID_CHARACTERS = 500
_NOT_NOW = {408, 425, 429}
_WRONG_SETTINGS = {401, 403, 404, 405, 407, 421, 426}


class Verdict(Enum):
    COUNTS = auto()
    AGAIN = auto()
    """The same batch may count later."""
    AGAIN_ONCE_MENDED = auto()
    """So it may, once somebody has mended the address, the token or a clock: it is asked slowly."""
    REFUSED = auto()
    """The service says that this batch will never count (400, 413, 422 and others), or that nobody
    knows any more whether it does (409: its id is too old)."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    retry_after: str | None = None

    @property
    def verdict(self) -> Verdict:
        if 200 <= self.status < 300 and self._said("ok") is True:  # and is no page of somebody else
            return Verdict.COUNTS
        if self.status in _WRONG_SETTINGS or self.status < 400:  # a redirect is not followed
            return Verdict.AGAIN_ONCE_MENDED
        if self.status == 400 and self._said("field") == "Idempotency-Key":  # ahead of its time
            return Verdict.AGAIN_ONCE_MENDED
        # 409 with Retry-After: another copy of the request is being worked on.
        if self.status >= 500 or self.status in _NOT_NOW or self.retry_after is not None:
            return Verdict.AGAIN
        # Not the service but something before it says so, or something else is there.
        if self._said("error") is None:
            return Verdict.AGAIN_ONCE_MENDED
        return Verdict.REFUSED

    @property
    def retry_after_seconds(self) -> float:
        """The pause that the service asks for; 0 where it asks for none."""
        text = (self.retry_after or "").strip()
        seconds = 0.0
        if text.isascii() and text.isdigit():
            seconds = float(text[:20])
        elif text:
            try:
                until = parsedate_to_datetime(text)
                seconds = (until - datetime.now(until.tzinfo and UTC)).total_seconds()
            except (ValueError, OverflowError):
                pass
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)

    def __str__(self) -> str:
        """The status, and the service's sentence."""
        sentence = self._said("error")
        said = "" if sentence is None else f" ({one_line(str(sentence))})"
        return f"{self.status}{said}"

    def _said(self, name: str) -> object:
        try:
            return json.loads(self.body)[name]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None


def one_line(text: str) -> str:
    """Return what somebody else has said as it may stand in a log: short, and on one line."""
    return repr(text[:_MAX_SAID_CHARACTERS])[1:-1]
