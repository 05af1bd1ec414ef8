"""What a counter is made with, checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from ssl import SSLContext

from incrementer_client.connection import Connection
from incrementer_client.limits import MAX_BATCH_KEYS

MIN_BATCH_BYTES = 4096
"""More than the longest key takes."""
MAX_SECONDS = 365 * 24 * 3600
"""What waits for longer may fail, as for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The arguments of `Counter`, which says what they are.

    Raises:
        ValueError: one of them cannot work.
    """

    url: str
    token: str | None = field(repr=False)
    spool: Path | None
    interval_seconds: float
    batch_keys: int
    batch_bytes: int
    max_keys: int
    max_spool_bytes: int
    timeout_seconds: float
    max_pause_seconds: float
    exit_seconds: float
    ssl_context: SSLContext | None

    def __post_init__(self) -> None:
        self.new_connection()
        for name in ("interval_seconds", "exit_seconds"):
            if not 0 <= getattr(self, name) <= MAX_SECONDS:
                raise ValueError(f"{name} is not from 0 to {MAX_SECONDS}")
        for name in ("timeout_seconds", "max_pause_seconds"):
            if not 0 < getattr(self, name) <= MAX_SECONDS:
                raise ValueError(f"{name} is not more than 0 and up to {MAX_SECONDS}")
        if not 1 <= self.batch_keys <= MAX_BATCH_KEYS:
            raise ValueError(f"batch_keys is not from 1 to {MAX_BATCH_KEYS}")
        if self.batch_bytes < MIN_BATCH_BYTES:
            raise ValueError(f"batch_bytes is less than {MIN_BATCH_BYTES}")
        if self.max_keys < self.batch_keys:
            raise ValueError("max_keys is less than batch_keys")
        if self.max_spool_bytes < self.batch_bytes:
            raise ValueError("max_spool_bytes is less than batch_bytes")

    def new_connection(self) -> Connection:
        return Connection(self.url, self.token, self.ssl_context)
