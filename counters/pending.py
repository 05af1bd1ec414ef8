"""What a flush has taken from the buffer, and what of it is not in the totals yet."""

from __future__ import annotations

from dataclasses import dataclass

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

    def beyond(self, position: int) -> Contents:
        """Return what stands after `position` and up to `end`, whoever moved the position there.

        1. The position is where this process left it (`start`): that is in memory.
        2. The database went back, because an older copy took its place: that is in memory, and
           what is lacking stands in the file.
        3. Somebody else has flushed or reset some of it: that is the rest of the file.
        4. So it is, but the rest of the file is damaged. What is in memory is worth more then: it
           is that, less what the file has before the position. (Unless that is damaged, too.)
        """
        if position >= self.end:
            return Contents(end=self.end)
        if position == self.start:
            return Contents(
                end=self.end, deltas=self.deltas.sums, identified=self.deltas.identified
            )
        if position < self.start:
            contents = self._read(position, self.start)
            self._add_memory(contents, sign=1)
            return contents
        rest = self._read(position, self.end)
        if rest.damaged:
            before = self._read(self.start, position)
            if not before.damaged:
                self._add_memory(before, sign=-1)
                return before
        return rest

    def _read(self, begin: int, end: int) -> Contents:
        with self.journal.open() as file:
            return read_records(file, self.journal.header, begin, end, past_damage=True)

    def _add_memory(self, contents: Contents, sign: int) -> None:
        """Have `contents` hold what is in memory, plus or minus what it holds."""
        read, contents.deltas = contents.deltas, self.deltas.sums.copy()
        for key, value in read.items():
            contents.deltas[key] += sign * value
            if not contents.deltas[key]:
                del contents.deltas[key]
        # Those in the file before the position are in the database: there they are found.
        contents.identified = {**contents.identified, **self.deltas.identified}
        contents.end = self.end
