"""The user that this process runs as."""

from __future__ import annotations

import os
import pwd


def user_name() -> str:
    """Return the user's name, or the number where it has none, as in some containers."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
