"""The named instants at which a process can be ordered to die."""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    """A moment in the life of a worker."""

    when: str
    retires: bool = False
    """Whether it comes only when a journal is recovered and removed."""


INSTANTS = {
    "write": Instant("after the journal write and before the reply"),
    "swap": Instant("after the swap of the buffer"),
    "transaction": Instant("inside the transaction, before COMMIT"),
    "commit": Instant("after COMMIT and before the buffer forgets"),
    "flushed": Instant("after a journal's last flush and before it is retired", retires=True),
    "retired": Instant("after a journal is retired and before its file goes", retires=True),
}


class ResetInstant(NamedTuple):
    """A moment in the life of resetnumbers."""

    when: str
    is_done: bool = False
    """Whether everything is reset by then; before that, nothing is."""


RESET_INSTANTS = {
    "skipped": ResetInstant("after the positions moved and before the totals go"),
    "deleted": ResetInstant("after the totals went and before COMMIT"),
    "reset": ResetInstant("after COMMIT and before it says so", is_done=True),
}
