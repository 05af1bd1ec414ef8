"""The counters' settings, converted once and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

FSYNC_POLICIES = ("always", "everysec", "never")


class BadSetting(ImproperlyConfigured):
    """A setting has a value that the service cannot run with.

    Attributes:
        hint: how to mend it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(f"{message} {hint}")
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Config:
    flush_interval: float
    """Seconds from one flush to the next."""
    journal_dir: Path
    """Folder of the journals, one file per process."""
    journal_fsync: str
    """When the journal is forced to disk: one of `FSYNC_POLICIES`."""
    max_journal_bytes: int
    """Size past which a process's journal takes no more increments until a flush has succeeded."""
    max_pending_keys: int
    """Distinct keys that a process holds between two flushes."""
    max_body_bytes: int
    """Longest request body accepted."""
    token: bytes
    """Bearer token that requests must carry; empty: none."""


@cache
def config() -> Config:
    """Return the settings of this process.

    Raises:
        BadSetting: the first setting found that cannot be used.
    """
    fsync = settings.JOURNAL_FSYNC
    if fsync not in FSYNC_POLICIES:
        raise BadSetting(
            f"JOURNAL_FSYNC is {fsync!r}.", f"Set it to one of: {', '.join(FSYNC_POLICIES)}."
        )
    if not settings.INCREMENT_TOKEN.isascii() or " " in settings.INCREMENT_TOKEN:
        raise BadSetting(
            "INCREMENT_TOKEN has a space or a character outside ASCII.",
            "Set it to printable ASCII, for example the output of `openssl rand -hex 32`.",
        )
    return Config(
        flush_interval=_seconds("FLUSH_INTERVAL"),
        journal_dir=Path(settings.JOURNAL_DIR),
        journal_fsync=fsync,
        max_journal_bytes=_whole_number("MAX_JOURNAL_BYTES", 1024**2),
        max_pending_keys=_whole_number("MAX_PENDING_KEYS", 1),
        max_body_bytes=_whole_number("MAX_BODY_BYTES", 1024),
        token=settings.INCREMENT_TOKEN.encode(),
    )


def _seconds(name: str) -> float:
    text: Any = getattr(settings, name)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.01 <= number <= 3600:
        raise BadSetting(f"{name} is {text!r}.", "Set it to seconds from 0.01 to 3600.")
    return number


def _whole_number(name: str, least: int) -> int:
    text: Any = getattr(settings, name)
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least:
        raise BadSetting(f"{name} is {text!r}.", f"Set it to a whole number from {least} up.")
    return number
