from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from tqdm import tqdm

from counters.config import config
from counters.flush import flush_journals
from counters.journal import journals


class Command(BaseCommand):
    help = "Brings every increment acknowledged so far into the database, now."

    def handle(self, *args: Any, **options: Any) -> None:
        folder = config().journal_dir
        size = sum(path.stat().st_size for path in journals(folder) if path.exists())
        with tqdm(
            total=size, unit="B", unit_scale=True, delay=1, disable=not sys.stderr.isatty()
        ) as bar:
            try:
                flushed = flush_journals(folder, progress=bar.update)
            except DatabaseError as error:
                raise CommandError(
                    f"The database failed: {error}. What is not flushed is kept in the journals."
                ) from error
        self.stdout.write(
            f"Flushed {flushed.increments} increments from {flushed.journals} journals."
        )
        if flushed.unreadable:
            raise CommandError(
                f"{flushed.unreadable} files in {folder} could not be read (named above) and were"
                " left alone: mend their permissions, or move them away."
            )
