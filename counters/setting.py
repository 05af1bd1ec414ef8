"""Setting, deleting and resetting the totals of some keys, exactly, while processes count.

A reset of everything skips what the journals hold. Here the journals hold increments of other keys,
too. So all of it is brought into the totals first, in the same transaction and with every flush
kept out. What was acknowledged before is in the totals then, and is replaced with them; what is
acknowledged later is behind the positions, and counts on top.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress

from django.db import Error

from counters import totals
from counters.config import config
from counters.counting import flush_whole
from counters.dialects import dialect_of
from counters.fresh import NotCaughtUp, catch_up
from counters.journal_folder import OpenJournal
from counters.listing import totals_in
from counters.models import Number
from counters.records import JournalUnreadable
from counters.resetting import Reset, journals_elsewhere, no_flush_between, standing_journals
from counters.settling import forget_refused

_STATEMENT_KEYS = 500
"""Keys that one statement names: databases have limits."""


class ChangeRefused(Exception):
    """The database refuses a change: a CHECK, a trigger, a domain. The text is what it said."""


def set_total(key: str, value: int) -> None:
    """Have the total of a key be `value`, whatever was counted for it before.

    Args:
        key: one that `check_key` allows.
        value: signed 64-bit.

    Raises:
        OSError, JournalUnreadable: a journal cannot be read, so that nobody knows what is pending.
        ChangeRefused: the database refuses the key or the total.
        django.db.Error: the database failed.
        Everything is as it was then.
    """
    with all_counted({key}.intersection), refusals():
        Number.objects.bulk_create(
            [Number(key=key, value=value)],
            update_conflicts=True,
            unique_fields=["key"],
            update_fields=["value"],
        )


def delete_total(key: str) -> bool:
    """Delete the total of a key, with all that is pending for it; return whether there was one.

    Raises:
        As `set_total` does.
    """
    return reset_keys([key]).totals > 0


def reset_keys(keys: Sequence[str]) -> Reset:
    """Delete the totals of some keys, with all that is pending for them.

    Raises:
        As `set_total` does.
    """
    with all_counted(set(keys).intersection) as journals_elsewhere, refusals():
        parts = [keys[n : n + _STATEMENT_KEYS] for n in range(0, len(keys), _STATEMENT_KEYS)]
        deleted = sum(Number.objects.filter(key__in=part).delete()[0] for part in parts)
        return Reset(deleted, journals_elsewhere)


def reset_prefix(prefix: str) -> Reset:
    """Delete the totals of all keys that begin with `prefix`, with all that is pending for them.

    Raises:
        As `set_total` does.
    """

    def begin_so(keys: Collection[str]) -> set[str]:
        return {key for key in keys if key.startswith(prefix)}

    with all_counted(begin_so) as journals_elsewhere, refusals():
        return Reset(totals_in(prefix).delete()[0], journals_elsewhere)


@contextmanager
def all_counted(replaced: Callable[[Collection[str]], Collection[str]]) -> Iterator[int]:
    """Return a transaction in which all that was acknowledged here is in the totals.

    No flush comes in between until it ends. What is done to the totals within it is done to all
    that came before, and to nothing that comes later.

    Args:
        replaced: returns which of some keys have their totals replaced or deleted in it. What the
            database has refused of these, and is kept in `.refused` files, is forgotten.

    Returns:
        The number of journals that are not in JOURNAL_DIR but on other machines. What these hold
        counts on top, when it is flushed there.

    Raises:
        As `set_total` does.
    """
    folder = config().journal_dir
    with suppress(NotCaughtUp):  # what is in the way is found again below, and told exactly
        catch_up(folder)  # most of it beforehand: so flushes are kept out for an instant only
    with no_flush_between(folder) as accepted:
        for journal, is_ours in standing_journals(folder, accepted):
            if is_ours:
                _flush_whole(journal)
        forget_refused(folder, accepted, replaced)
        yield journals_elsewhere(folder)


@contextmanager
def refusals() -> Iterator[None]:
    """Raise ChangeRefused where the database refuses what is done in the context."""
    try:
        yield
    except Error as error:
        if dialect_of(totals.connection()).is_refusal(error):
            raise ChangeRefused(" ".join(str(error).split())) from error
        raise


def _flush_whole(journal: OpenJournal) -> None:
    """Bring all of a journal into the totals that stands in it now.

    Raises:
        JournalUnreadable: its process lives, and something is damaged in it. Only its process knows
            what that was.
    """
    size = journal.size
    with suppress(FileNotFoundError):  # its process has just flushed and removed it
        end = flush_whole(journal).end
        # What looks like the beginning of a record is being written, and not acknowledged yet.
        if not journal.is_orphan and end < size and journal.read_past_damage(end, size).end > end:
            raise JournalUnreadable(
                f"{journal.path} is damaged, and its process counts from memory what it held with"
                " its next flush"
            )
