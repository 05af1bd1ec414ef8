"""What a reply says about a batch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto

MAX_RETRY_AFTER_SECONDS = 3600
"""A longer Retry-After is taken for this."""
_NOT_NOW = {408, 425, 429}
_WRONG_SETTINGS = {401, 403, 404, 405, 407}


class Verdict(Enum):
    COUNTS = auto()
    AGAIN = auto()
    """The same batch may count later."""
    AGAIN_ONCE_MENDED = auto()
    """So it may, once somebody has mended the address, the token or a clock: it is asked slowly."""
    REFUSED = auto()
    """This batch will never count (400, 413, 422 and others), or nobody knows any more whether it
    does (409: its id is too old)."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    retry_after: str | None = None

    @property
    def verdict(self) -> Verdict:
        if 200 <= self.status < 300:
            return Verdict.COUNTS
        if self.status in _WRONG_SETTINGS or self.status < 400:  # a redirect is not followed
            return Verdict.AGAIN_ONCE_MENDED
        if self.status == 400 and self._said("field") == "Idempotency-Key":  # ahead of its time
            return Verdict.AGAIN_ONCE_MENDED
        # 409 with Retry-After: another copy of the request is being worked on.
        if self.status >= 500 or self.status in _NOT_NOW or self.retry_after is not None:
            return Verdict.AGAIN
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
            except ValueError:
                pass
        return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)

    def __str__(self) -> str:
        """The status, and the service's sentence."""
        sentence = self._said("error")
        return str(self.status) if sentence is None else f"{self.status} ({sentence})"

    def _said(self, name: str) -> object:
        try:
            return json.loads(self.body)[name]
        except (ValueError, TypeError, KeyError):
            return None
