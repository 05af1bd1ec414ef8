"""What `increment` raises where an increment does not count. (A bad argument is a ValueError.)"""

from __future__ import annotations


class NotCounted(Exception):
    """This increment does not count; those before it are not concerned."""


class Full(NotCounted):
    """As many keys wait as may; the same call succeeds once the service has taken some."""


class Closed(NotCounted):
    """The counter has been closed."""
