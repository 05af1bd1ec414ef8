"""A loop that ends after SIGTERM, between two rounds."""

from __future__ import annotations

import signal
from collections.abc import Iterator


def until_sigterm() -> Iterator[None]:
    """Go round until SIGTERM comes."""
    told_to_end = False

    # This is no Event: the code that the signal interrupts may hold the Event's lock.
    def end(*_: object) -> None:
        nonlocal told_to_end
        told_to_end = True

    signal.signal(signal.SIGTERM, end)
    while not told_to_end:
        yield
