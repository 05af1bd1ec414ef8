"""UUIDs of version 7 (RFC 9562, section 5.7): 48 bits of milliseconds, 74 random bits.

Python has `uuid.uuid7` since 3.14. This one is used there, too: it keeps no state, which a forked
child would share with its parent.
"""

from __future__ import annotations

import os
import time
from uuid import UUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62


def uuid7() -> UUID:
    """Return a new UUID whose time is now."""
    milliseconds = time.time_ns() // 1_000_000 & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10))
    random_a = random >> 64 & (1 << 12) - 1
    random_b = random & (1 << 62) - 1
    return UUID(int=milliseconds << 80 | _VERSION | random_a << 64 | _VARIANT | random_b)
