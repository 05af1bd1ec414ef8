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
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from counters.temporary_folder import temporary_folder

_NAME = "ids"
_WORD_BYTES = 8
_PLACES = 2**19
"""Half a million: 4 MiB."""
_FINGERPRINT_BITS = 24


class SeenIds:
    """Each id has one place, which is 8 bytes: 40 of the id's digest, and 24 of the fingerprint.

    They are read and written at once, so no lock is needed. With the place, 59 bits of an id's
    digest are compared: that another id is taken for it happens once in 10**17 requests.
    """

    def __init__(self, journals: Path) -> None:
        """
        Args:
            journals: the folder of the journals.
        """
        self._words = _shared(journals)

    def is_another(self, id_: str, fingerprint: int) -> bool:
        """Return whether a request with another fingerprint is known to have had this id."""
        if self._words is None:
            return False
        place, word = _place_and_word(id_, fingerprint)
        known = self._words[place]
        return known != word and known >> _FINGERPRINT_BITS == word >> _FINGERPRINT_BITS

    def add(self, id_: str, fingerprint: int) -> None:
        if self._words is not None:
            place, word = _place_and_word(id_, fingerprint)
            self._words[place] = word


@lru_cache(maxsize=4096)  # each request asks twice
def _place_and_word(id_: str, fingerprint: int) -> tuple[int, int]:
    digest = int.from_bytes(blake2b(id_.encode(), digest_size=8).digest())
    tag = digest >> 24
    return digest % _PLACES, tag << _FINGERPRINT_BITS | fingerprint >> (32 - _FINGERPRINT_BITS)


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
