from __future__ import annotations

import os
import sqlite3
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BufferedReader, FileIO, RawIOBase
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from tqdm import tqdm

from counters import totals
from counters.commit_proof import NobodyKnows
from counters.dialects.staging import Rows
from counters.exporting import FORMATS
from counters.failures import told
from counters.imported_rows import SQLITE_MAGIC, BadRow, read_csv, read_database, read_ndjson
from counters.importing import add_all, replace_all
from counters.records import JournalUnreadable
from counters.setting import ChangeRefused

_READERS = {"csv": read_csv, "ndjson": read_ndjson}
_BUFFER_BYTES = 1024 * 1024


class Command(BaseCommand):
    help = (
        "Adds the totals in a file to those that are here: CSV, NDJSON, or the numbers.db of"
        " another service. All of them, or none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="-: from stdin.")
        parser.add_argument(
            "--replace",
            action="store_true",
            help="Have each key in the file have the file's value. Other keys stay as they are.",
        )
        parser.add_argument(
            "--format", choices=FORMATS, help="Without: by the name's end; CSV from stdin."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        merge = replace_all if options["replace"] else add_all
        try:
            with ExitStack() as stack:
                done = merge(_rows(options["file"], options["format"], stack))
        except BadRow as error:
            raise CommandError(f"{error}. Nothing was imported.") from error
        except sqlite3.Error as error:
            raise CommandError(f"{options['file']}: {error}. Nothing was imported.") from error
        except ChangeRefused as error:
            raise CommandError(
                f"The database refuses it: {error}. Nothing was imported."
            ) from error
        except (OSError, JournalUnreadable) as error:
            raise CommandError(f"{error}. Nothing was imported.") from error
        except NobodyKnows as error:
            raise CommandError(f"{error} If it was, all is imported; if not, nothing.") from error
        except Error as error:
            # To replace again does no harm.
            outcome = (
                "All is imported, or nothing" if options["replace"] else "Nothing was imported"
            )
            raise CommandError(
                f"{told(error, totals.connection())} {outcome}: try again."
            ) from error
        if sys.stdout is not None:
            self.stdout.write(f"Imported {done.rows} rows into {totals.place()}.")
        if done.journals_elsewhere and sys.stderr is not None:
            self.stderr.write(
                f"{done.journals_elsewhere} journals are not in JOURNAL_DIR but on other machines:"
                " what these accepted and have not flushed will be counted on top. To replace that,"
                " too, stop the increments and run flushnumbers there first."
            )


def _rows(name: str, format_: str | None, stack: ExitStack) -> Iterator[Rows]:
    """Return the rows in the file, whose reading moves a progress bar on a terminal."""
    raw = FileIO(0, closefd=False) if name == "-" else FileIO(name)
    file = BufferedReader(raw, _BUFFER_BYTES)
    stack.callback(file.close)
    if file.peek(len(SQLITE_MAGIC)).startswith(SQLITE_MAGIC):
        path = Path(name)
        if name == "-" or not path.is_file():
            raise CommandError("An SQLite database cannot be read from a pipe: name its file.")
        if _is_own_database(path):
            raise CommandError(f"{name} is the database that the totals are kept in.")
        bar = stack.enter_context(_bar(None, unit=" rows"))
        return _noting(read_database(path), bar.update)
    format_ = format_ or _format_of(name)
    size_bytes = os.fstat(raw.fileno()).st_size or None
    bar = stack.enter_context(_bar(size_bytes, unit="B"))
    return _READERS[format_](BufferedReader(_Noting(file, bar.update), _BUFFER_BYTES))


def _bar(total: int | None, unit: str) -> tqdm:
    return tqdm(total=total, unit=unit, unit_scale=True, delay=1, disable=not sys.stderr.isatty())


def _format_of(name: str) -> str:
    suffix = "csv" if name == "-" else Path(name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise CommandError(
            f"The name {name!r} does not end in .{' or .'.join(FORMATS)}: say --format."
        )
    return suffix


def _is_own_database(path: Path) -> bool:
    own = totals.connection()
    name = own.settings_dict["NAME"]
    return own.vendor == "sqlite" and os.path.exists(name) and os.path.samefile(name, path)


def _noting(parts: Iterator[Rows], note: Callable[[int], object]) -> Iterator[Rows]:
    for rows in parts:
        yield rows
        note(len(rows.keys))


class _Noting(RawIOBase):
    """A file that tells how many bytes have been read of it."""

    def __init__(self, file: Any, note: Callable[[int], object]) -> None:
        self._file = file
        self._note = note

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        read: int = self._file.readinto1(buffer)
        self._note(read)
        return read
