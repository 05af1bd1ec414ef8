from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from counters import totals
from counters.config import config
from counters.failures import told
from counters.increments import BadIncrement, check_key
from counters.key_text import shown
from counters.records import JournalUnreadable
from counters.resetting import Reset, reset
from counters.setting import ChangeRefused, reset_keys, reset_prefix

_NAMED_KEYS = 5
"""Keys that the question names."""


class Command(BaseCommand):
    help = (
        "Empties the totals, or those of some keys, exactly: also of what running servers hold and"
        " have not flushed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("keys", nargs="*", metavar="KEY", help="Only these. Without: all.")
        parser.add_argument("--prefix", metavar="P", help="Only keys that begin with P.")
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Do not ask for confirmation.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        keys, prefix = list(dict.fromkeys(options["keys"])), options["prefix"]
        _check(keys, prefix)
        if options["interactive"]:
            self.stdout.write(f"This deletes {_what(keys, prefix)} in {totals.place()}, for good.")
            self.stdout.write("Type 'yes' to continue, or 'no' to cancel: ", ending="")
            self.stdout.flush()
            if sys.stdin.readline().strip() != "yes":
                raise CommandError("Cancelled; nothing was deleted.")
        try:
            done = _reset(keys, prefix)
        except (OSError, JournalUnreadable) as error:
            raise CommandError(
                f"{error}. Nothing was deleted: make it readable or move it away, and try again."
            ) from error
        except ChangeRefused as error:
            raise CommandError(f"The database refuses it: {error}. Nothing was deleted.") from error
        except Error as error:
            raise CommandError(
                f"{told(error, totals.connection())} All is reset, or nothing: try again."
            ) from error
        self.stdout.write(f"Deleted {done.totals} totals in {totals.place()}.")
        if done.journals_elsewhere:
            self.stderr.write(
                f"{done.journals_elsewhere} journals are not in JOURNAL_DIR but on other machines:"
                " what these accepted and have not flushed will still be counted. For an exact"
                " reset, stop the increments and run flushnumbers there first."
            )


def _check(keys: list[str], prefix: str | None) -> None:
    if keys and prefix is not None:
        raise CommandError("Give KEYs or --prefix, not both.")
    if prefix == "":
        raise CommandError("Every key begins with nothing: without --prefix, all totals go.")
    try:
        for text in keys if prefix is None else [prefix]:
            check_key(text)
    except BadIncrement as problem:
        raise CommandError(f"{shown(text)}: {problem}.") from problem


def _what(keys: list[str], prefix: str | None) -> str:
    if prefix is not None:
        return f"every total whose key begins with {shown(prefix)}"
    if not keys:
        return "every total"
    named = ", ".join(map(shown, keys[:_NAMED_KEYS]))
    others = f" and {len(keys) - _NAMED_KEYS} others" if len(keys) > _NAMED_KEYS else ""
    return f"the totals of {named}{others}"


def _reset(keys: list[str], prefix: str | None) -> Reset:
    if prefix is not None:
        return reset_prefix(prefix)
    return reset_keys(keys) if keys else reset(config().journal_dir)
