"""Counters: totals per key that a Django project counts up and down, from any thread or process.

    import counters

    counters.increment("signup")
    counters.increment_many({"page:/": 2, "stock": -1})

When such a call returns, the increment is in a journal on the disk, and about five seconds later it
is in the database. It counts though the process is killed. It also counts though the caller's own
transaction is rolled back; what should count only with the transaction is a case for
`transaction.on_commit(lambda: counters.increment("order"))`.

Importing this module costs nothing; the first call starts two threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from counters.door import NotRecorded as NotRecorded
    from counters.increments import BadIncrement as BadIncrement

__all__ = ["BadIncrement", "NotRecorded", "increment", "increment_many"]
__version__ = "0.1.0"


def increment(key: str, value: int = 1) -> None:
    """Add `value` to the total of `key`.

    Args:
        key: 1 to 255 characters without NUL.
        value: from -2**63 to 2**63 - 1.

    Raises:
        BadIncrement: an argument is out of its limits.
        NotRecorded: it does not count, and the same call may succeed later. (With
            `JOURNAL_FSYNC=always` the disk may have failed: `is_unknown` says so.)
    """
    from counters.door import record_one

    record_one(key, value)


def increment_many(increments: Mapping[str, int] | Iterable[tuple[str, int]]) -> None:
    """Add each value to the total of its key: all of them, or none.

    Raises:
        BadIncrement: one of them is out of its limits.
        NotRecorded: none counts, as in `increment`.
    """
    from counters.door import record_many

    record_many(increments)


def __getattr__(name: str) -> Any:
    if name == "NotRecorded":
        from counters.door import NotRecorded

        return NotRecorded
    if name == "BadIncrement":
        from counters.increments import BadIncrement

        return BadIncrement
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
