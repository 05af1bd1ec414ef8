"""The counters' settings, converted once and checked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

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
    """Unflushed bytes past which a process's journal takes no more increments."""
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
    token = settings.INCREMENT_TOKEN
    if not token.isascii() or not token.isprintable() or " " in token:
        raise BadSetting(
            "INCREMENT_TOKEN has a space, a line's end or a character outside ASCII.",
            "Set it to printable ASCII, for example the output of `openssl rand -hex 32`.",
        )
    return Config(
        flush_interval=_seconds("FLUSH_INTERVAL"),
        journal_dir=Path(settings.JOURNAL_DIR),
        journal_fsync=fsync,
        max_journal_bytes=_whole_number("MAX_JOURNAL_BYTES", 1024**2),
        max_pending_keys=_whole_number("MAX_PENDING_KEYS", 1),
        max_body_bytes=_whole_number("MAX_BODY_BYTES", 1024),
        token=token.encode(),
    )


def _seconds(name: str) -> float:
    text: str = getattr(settings, name)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0.01 <= number <= 3600:
        raise BadSetting(f"{name} is {text!r}.", "Set it to seconds from 0.01 to 3600.")
    return number


def _whole_number(name: str, least: int) -> int:
    text: str = getattr(settings, name)
    if not text.isdecimal() or int(text) < least:
        raise BadSetting(f"{name} is {text!r}.", f"Set it to a whole number from {least} up.")
    return int(text)
