"""Fresh totals: with all that this machine's processes have acknowledged."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from counters import totals
from counters.bells import ring_all
from counters.identity import totals_ids
from counters.journal_folder import journals, open_journal
from counters.records import JournalUnreadable, read_header
from counters.recovery import flush_journals

_LONGEST_WAIT_SECONDS = 2.0
"""For the flushes of other processes. One that is stopped, or very busy, is not waited for longer:
what its journal holds is flushed from the file."""
_FIRST_LOOK_SECONDS, _LONGEST_LOOK_SECONDS = 0.001, 0.02


class NotCaughtUp(OSError):
    """Something that was acknowledged is not in the totals. The text says what of it is known."""


PositionsOf = Callable[[Collection[str]], dict[str, int]]


def catch_up(folder: Path, positions_of: PositionsOf = totals.positions_of) -> None:
    """Return once all that was acknowledged before the call is in the totals.

    It has the processes that count in `folder` flush. What somebody else has asked for meanwhile is
    done by the same flushes.

    Args:
        positions_of: asks the database for positions.

    Raises:
        NotCaughtUp: some of it cannot be flushed, or read.
        django.db.Error: the database failed.
    """
    wanted = {path: _size(path) for path in journals(folder)}
    lacking = _lacking(wanted, positions_of)
    if not lacking:
        return
    lacking = _countable(lacking, totals_ids().accepted)
    until = time.monotonic() + _LONGEST_WAIT_SECONDS
    pause_seconds = _FIRST_LOOK_SECONDS
    is_heard = lacking and ring_all(folder)
    while lacking and is_heard and time.monotonic() < until:
        time.sleep(pause_seconds)
        pause_seconds = min(pause_seconds * 1.5, _LONGEST_LOOK_SECONDS)
        lacking = _lacking(lacking, positions_of)
    if lacking:
        flush_journals(folder, set())
        if lacking := _lacking(lacking, positions_of):
            raise NotCaughtUp(
                f"some of {len(lacking)} journals cannot be flushed, such as {next(iter(lacking))}"
            )


def _lacking(wanted: dict[Path, int], positions_of: PositionsOf) -> dict[Path, int]:
    """Return those of the journals that are not in the totals up to the size that is wanted.

    A journal that is shorter by now has lost a record that nobody was told of.
    """
    positions = positions_of([path.stem for path in wanted])
    return {
        path: size
        for path, size in wanted.items()
        if positions.get(path.stem, 0) < min(size, _size(path))
    }


def _countable(wanted: dict[Path, int], accepted: Collection[bytes]) -> dict[Path, int]:
    """Return those of the journals that a flush into these totals would count."""
    return {path: size for path, size in wanted.items() if _is_countable(path, accepted)}


def _is_countable(path: Path, accepted: Collection[bytes]) -> bool:
    try:
        with open_journal(path) as file:
            header = read_header(file)
    except FileNotFoundError:  # it is in the totals
        return False
    except JournalUnreadable:  # the log has it: it is not counted at all
        return False
    except OSError as error:
        raise NotCaughtUp(f"{path} cannot be read: {error.strerror}") from error
    return header is not None and header.is_for(accepted)


def _size(path: Path) -> int:
    """Return the length of a file in bytes; 0 where it is gone, so that it is in the totals."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
