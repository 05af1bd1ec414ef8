"""The named instants at which a process can be ordered to die."""

from __future__ import annotations

from typing import NamedTuple


class Instant(NamedTuple):
    when: str
    retires: bool = False
    """Whether it comes only when a journal is recovered and removed."""


INSTANTS = {
    "write": Instant("after the journal write and before the reply"),
    "swap": Instant("after the swap of the buffer"),
    "transaction": Instant("inside the transaction, before COMMIT"),
    "commit": Instant("after COMMIT and before the buffer forgets"),
    "flushed": Instant("after a journal's last flush and before it is renamed", retires=True),
    "renamed": Instant("after a journal is renamed and before its position goes", retires=True),
    "forgotten": Instant("after a position is gone and before its file is", retires=True),
}
