"""How much the journals of processes that are gone hold, while no flush takes it."""

from __future__ import annotations

from collections.abc import Collection, Container
from pathlib import Path

from counters.journal_folder import journals, open_journal
from counters.locks import is_owned
from counters.records import Header, JournalUnreadable, read_header

_BLOCK_BYTES = 512
"""The unit of `st_blocks`. A file with holes is longer than what it holds of the disk."""


class Orphans:
    """The journals in a folder whose processes are gone.

    What is an orphan stays one. So each file is locked for one instant at the most, and after that
    only its length is looked at.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._headers: dict[tuple[Path, int], Header] = {}
        """By path and inode; as of the last look."""
        self._held_bytes = 0

    def held_bytes(self, totals_ids: Collection[bytes] | None, besides: Container[Path]) -> int:
        """Return how much of the disk all of them hold that are for the totals with these ids.

        Args:
            totals_ids: None: they are not known, and all journals count.
            besides: files that are left out.
        """
        try:
            paths = journals(self._folder)
        except OSError:  # it is as it was, as far as anyone knows
            return self._held_bytes
        headers = {}
        held_bytes = 0
        for path in paths:
            try:
                status = path.stat()
                key = path, status.st_ino
                header = self._headers.get(key) or _header_of_orphan(path)
            except (OSError, JournalUnreadable):
                continue
            if header is None:
                continue
            headers[key] = header
            is_ours = totals_ids is None or header.is_for(totals_ids)
            if is_ours and path not in besides:
                held_bytes += min(status.st_size, status.st_blocks * _BLOCK_BYTES)
        self._headers = headers
        self._held_bytes = held_bytes
        return held_bytes


def _header_of_orphan(path: Path) -> Header | None:
    """Return the header of a journal; None if its process lives, or died before it wrote one.

    Raises:
        OSError: it cannot be opened or read.
        JournalUnreadable: it is no journal, or it is of a newer version.
    """
    with open_journal(path) as file:
        return None if is_owned(file.fileno()) else read_header(file)
