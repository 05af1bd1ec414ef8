"""Waiting for a condition, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable


class Timeout(AssertionError):
    """What had to happen did not happen in time."""


def wait_for(
    condition: Callable[[], object],
    what: str,
    details: Callable[[], str] = str,
    seconds: float = 60,
) -> None:
    """Return once `condition()` is true; it is asked every 20 milliseconds.

    Raises:
        Timeout: it is not true within `seconds`; `what` and `details()` say more.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Timeout(f"waited {seconds} s for {what}\n{details()}")
        time.sleep(0.02)
