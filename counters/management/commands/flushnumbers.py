from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from tqdm import tqdm

from counters import totals
from counters.config import config
from counters.failures import told
from counters.journal_folder import journals
from counters.recovery import Flushed, flush_journals
from counters.request_ids import pruner

_LONGEST_PAUSE_SECONDS = 86400


class Command(BaseCommand):
    help = "Brings every increment acknowledged so far into the database, now."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--every",
            type=float,
            metavar="SECONDS",
            help="Go on flushing, with pauses of so many seconds, until SIGTERM or SIGINT.",
        )

        parser.add_argument(
            "--adopt",
            action="store_true",
            help="Count journals into this database that were written for another one, too.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["every"] is None:
            self._flush_once(options["adopt"])
        elif 0 < options["every"] <= _LONGEST_PAUSE_SECONDS:
            self._flush_until_told_to_end(options["every"], options["adopt"])
        else:
            raise CommandError(
                "--every has to be more than 0 seconds, and a day (86400) at the most."
            )

    def _flush_once(self, adopt: bool) -> None:
        folder = config().journal_dir
        size_bytes = sum(path.stat().st_size for path in journals(folder) if path.exists())
        unreadable: set[Path] = set()
        with tqdm(
            total=size_bytes, unit="B", unit_scale=True, delay=1, disable=not sys.stderr.isatty()
        ) as bar:
            try:
                flushed = flush_journals(folder, unreadable, adopt=adopt, progress=bar.update)
            except Error as error:
                raise CommandError(
                    f"{told(error, totals.connection())} What is not flushed is kept in {folder}."
                ) from error
        pruner.after_flush()
        self._tell(flushed)
        if unreadable:
            raise CommandError(
                f"{len(unreadable)} files in {folder} could not be counted (named above) and were"
                " left alone: mend them, or move them away."
            )

    def _flush_until_told_to_end(self, pause_seconds: float, adopt: bool) -> None:
        # Blocked, and asked for between two flushes: so a signal interrupts none.
        endings = signal.SIGTERM, signal.SIGINT
        signal.pthread_sigmask(signal.SIG_BLOCK, endings)
        unreadable: set[Path] = set()
        failures = 0
        is_last = False
        while True:
            try:
                flushed = flush_journals(config().journal_dir, unreadable, retire=True, adopt=adopt)
            except Error as error:
                if not failures:
                    self.stderr.write(
                        f"{told(error, totals.connection())} What is not flushed is kept"
                        f" in {config().journal_dir}; it is tried until it succeeds."
                    )
                failures += 1
            else:
                if failures:
                    self.stdout.write(f"The flush succeeds again, after {failures} failures.")
                failures = 0
                pruner.after_flush()
                if flushed.increments:
                    self._tell(flushed)
            totals.close_connection()  # the database's file may be replaced meanwhile
            if is_last:
                return
            is_last = signal.sigtimedwait(endings, pause_seconds) is not None

    def _tell(self, flushed: Flushed) -> None:
        self.stdout.write(
            f"Flushed {flushed.increments} increments from {flushed.journals} journals in"
            f" {config().journal_dir} into {totals.place()}."
        )
        self.stdout.flush()
