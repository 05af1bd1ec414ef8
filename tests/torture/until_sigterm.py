"""A loop that SIGTERM ends, between two rounds."""

from __future__ import annotations

import signal
from collections.abc import Iterator


def until_sigterm() -> Iterator[None]:
    """Go round until SIGTERM comes."""
    told_to_end = False

    def end(*_: object) -> None:  # no Event: its lock may be held by what the signal interrupts
        nonlocal told_to_end
        told_to_end = True

    signal.signal(signal.SIGTERM, end)
    while not told_to_end:
        yield
