"""What a flush has taken from the buffer, and what of it is not in the totals yet."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

from counters.deltas import Deltas
from counters.journal import Journal
from counters.reader import Contents, read_records


@dataclass(slots=True)
class Pending:
    """The deltas of the journal's bytes from `start` to `end`."""

    journal: Journal
    deltas: Deltas
    start: int
    end: int
    is_last: bool
    """Whether another journal has taken this one's place, so that nothing more is written to it."""

    def beyond(self, position: int, file: BinaryIO) -> Contents:
        """Return what stands after `position` and up to `end`, whoever moved the position there.

        1. The position is where this process left it (`start`): that is in memory.
        2. The database went back, because an older copy took its place: that is in memory, and
           what is lacking stands in the file.
        3. Somebody else has flushed or reset some of it: that is the rest of the file.
        4. So it is, but the rest of the file is damaged. What is in memory is worth more then: it
           is that, less what the file has before the position. (Unless that is damaged, too.)

        Args:
            file: the journal's.
        """
        header = self.journal.header
        read = partial(read_records, file, header, past_damage=True)
        if position >= self.end:
            return Contents(file, header, self.end)
        memory = Contents(file, header, self.end, self.deltas.sums, self.deltas.identified)
        if position == self.start:
            return memory
        if position < self.start:
            return _together(read(position, self.start), memory)
        rest = read(position, self.end)
        if rest.damaged:
            before = read(self.start, position)
            if not before.damaged:
                return _less(memory, before)
        return rest


def _together(earlier: Contents, memory: Contents) -> Contents:
    """Return what stands in a part of the file, with what is in memory of the part behind it."""
    copies = earlier.identified.keys() & memory.identified.keys()
    earlier.reused += [
        id_
        for id_ in copies
        if earlier.identified[id_].fingerprint != memory.identified[id_].fingerprint
    ]
    memory = memory.without(copies)
    for key, value in memory.deltas.items():
        earlier.deltas[key] += value
    earlier.identified |= memory.identified
    earlier.unreadable += memory.unreadable
    earlier.end = memory.end
    return earlier


def _less(memory: Contents, counted: Contents) -> Contents:
    """Return what is in memory, without what stands in the part of the file that was counted."""
    # Of some requests there only a copy may stand, which was not added in memory.
    counted = counted.without(counted.identified.keys() - memory.identified.keys())
    deltas = memory.deltas.copy()
    for key, value in counted.deltas.items():
        deltas[key] -= value
        if not deltas[key]:
            del deltas[key]
    identified = {
        id_: copy for id_, copy in memory.identified.items() if id_ not in counted.identified
    }
    return replace(memory, deltas=deltas, identified=identified)
