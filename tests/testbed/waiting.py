"""Waiting for a condition, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

_DETAILS_CHARACTERS = 5000
"""How much of the end of a log an error message shows; the whole log may be far too long."""


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
        Timeout: it is not true within `seconds`; `what` and the end of `details()` say more.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Timeout(f"waited {seconds} s for {what}\n{details()[-_DETAILS_CHARACTERS:]}")
        time.sleep(0.02)
