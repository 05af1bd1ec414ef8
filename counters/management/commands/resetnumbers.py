from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from counters import totals
from counters.config import config
from counters.failures import told
from counters.records import JournalUnreadable
from counters.resetting import reset


class Command(BaseCommand):
    help = "Empties the totals, exactly: also of what running servers hold and have not flushed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Do not ask for confirmation.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["interactive"]:
            self.stdout.write(f"This deletes every total in {totals.place()}, for good.")
            self.stdout.write("Type 'yes' to continue, or 'no' to cancel: ", ending="")
            self.stdout.flush()
            if sys.stdin.readline().strip() != "yes":
                raise CommandError("Cancelled; nothing was deleted.")
        try:
            done = reset(config().journal_dir)
        except (OSError, JournalUnreadable) as error:
            raise CommandError(
                f"{error}. Nothing was deleted: make it readable or move it away, and try again."
            ) from error
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
