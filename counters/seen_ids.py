"""The ids that this machine has seen lately, each with the fingerprint of its request.

All processes that count in one folder of journals share them, in a file that they have in memory.
So a request that has the id of another one is refused, whichever worker had that, also once it is
flushed. Nothing is counted, and nothing left out, for what stands here: the database decides that.
So it may forget. A new id takes the place of an older one now and then, and after a restart of the
machine all are forgotten.
"""

from __future__ import annotations

import mmap
import os
from functools import cached_property
from pathlib import Path

from counters.identified import Identified
from counters.temporary_folder import temporary_folder

_NAME = "ids"
_WORD_BYTES = 8
_PLACES = 2**19
"""Half a million: 4 MiB."""
_FINGERPRINT_BITS = 24


class SeenIds:
    """Each id has one place, which is 8 bytes: 40 bits of the id's checksum, 24 of the fingerprint.

    They are read and written at once, so no lock is needed. With the place, 59 bits of a checksum
    are compared: that another id is taken for it happens once in 10**17 requests. Who wants that
    can make such an id of one that he knows; he could as well send that one.
    """

    def __init__(self, journals: Path) -> None:
        """
        Args:
            journals: the folder of the journals.
        """
        self._journals = journals

    @cached_property
    def _words(self) -> memoryview | None:
        """Made for the first request that has an id: most clients send none."""
        return _shared(self._journals)

    def is_another(self, request: Identified) -> bool:
        """Return whether a request with another body is known to have had this id."""
        if self._words is None:
            return False
        word = _word(request)
        known = self._words[request.checksum % _PLACES]
        return known != word and known >> _FINGERPRINT_BITS == word >> _FINGERPRINT_BITS

    def add(self, request: Identified) -> None:
        if self._words is not None:
            self._words[request.checksum % _PLACES] = _word(request)


def _word(request: Identified) -> int:
    fingerprint = request.fingerprint >> (32 - _FINGERPRINT_BITS)
    return request.checksum >> _FINGERPRINT_BITS << _FINGERPRINT_BITS | fingerprint


def _shared(journals: Path) -> memoryview | None:
    """Return the words that the processes share; None where there can be no such file."""
    size_bytes = _PLACES * _WORD_BYTES
    try:
        path = temporary_folder(journals) / _NAME
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # Not a hole: to write into one ends the process where the disk is full.
            os.posix_fallocate(fd, 0, size_bytes)
            return memoryview(mmap.mmap(fd, size_bytes)).cast("Q")
        finally:
            os.close(fd)
    except OSError:
        return None
