"""What a flush has taken from the buffer, and what of it is not in the totals yet."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from counters.journal import Journal
from counters.reader import Contents, read_records

Deltas = defaultdict[str, int]


@dataclass(slots=True)
class Pending:
    """The deltas of the journal's bytes from `start` to `end`."""

    journal: Journal
    deltas: Deltas
    start: int
    end: int
    is_last: bool
    """Whether another journal has taken this one's place, so that nothing more is written to it."""

    def beyond(self, position: int) -> Contents:
        """Return what stands after `position` and up to `end`, whoever moved the position there.

        What is in memory comes from memory: it is worth more than a file that may be damaged. The
        file is asked only for the part between `position` and `start`:

        1. The position is where this process left it (`start`): the deltas are the answer.
        2. Somebody has flushed some of it (`flushnumbers`): the deltas, less what the file has from
           `start` to the position. Others stop at the first damaged byte, so it is readable.
        3. The database went back (an older copy took its place): the deltas, and what the file has
           from the position to `start`.
        """
        contents = Contents(end=self.end)
        if position >= self.end:
            return contents
        if position == self.start:
            contents.deltas = self.deltas
            return contents
        contents.deltas = self.deltas.copy()
        begin, end = sorted((position, self.start))
        with self.journal.open() as file:
            part = read_records(file, self.journal.header, begin, end, past_damage=True)
        sign = 1 if position < self.start else -1
        for key, value in part.deltas.items():
            contents.deltas[key] += sign * value
        if sign == 1:
            contents.damaged = part.damaged
        return contents
