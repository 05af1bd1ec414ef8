"""What Django refuses for its host or its origin, in the log: a line, and not too often."""

from __future__ import annotations

import logging
import time

_LINES_PER_MINUTE = 10
_ADVICE = (
    "(If it should not be: set PUBLIC_URL to the address that browsers use. README.md says what a"
    " proxy has to pass on.)"
)
_LONGEST = 300
"""Characters of what a client sent that are logged."""


class RefusalFilter(logging.Filter):
    """Lets a few lines through each minute, without tracebacks, and adds what may be done.

    Anyone can send requests that are refused: they must not fill the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minute = 0
        self._lines = 0

    def filter(self, record: logging.LogRecord) -> bool:
        minute = int(time.monotonic() // 60)
        if minute != self._minute:
            self._minute, self._lines = minute, 0
        self._lines += 1
        if self._lines > _LINES_PER_MINUTE:
            return False
        said = record.getMessage()[:_LONGEST]
        record.msg = f"Refused: %s {_ADVICE}"
        record.args = (said,)
        record.exc_info = None
        return True
