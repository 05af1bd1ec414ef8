"""How long to wait before a batch is sent again: exponential backoff with full jitter."""

from __future__ import annotations

import random

_FIRST_SECONDS = 0.1
_MAX_DOUBLINGS = 20


def pause_seconds(failures: int, max_seconds: float) -> float:
    """Return the pause after so many failures in a row.

    It is anything from 0 to a limit that doubles, so that many clients whose service was away do
    not come back together.
    """
    limit = min(max_seconds, _FIRST_SECONDS * 2 ** min(failures, _MAX_DOUBLINGS))
    return random.uniform(0, limit)  # noqa: S311 - nobody gains by guessing it


def slow_pause_seconds(max_seconds: float) -> float:
    """Return the pause where somebody has to mend something first."""
    return random.uniform(max_seconds / 2, max_seconds)  # noqa: S311
