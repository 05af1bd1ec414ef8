from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from counters import totals
from counters.exporting import FORMATS, NoTotal, export
from counters.failures import told


class Command(BaseCommand):
    help = "Writes all totals, as of one moment, into a file or to stdout."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", nargs="?", default="-", metavar="FILE", help="-: to stdout.")
        parser.add_argument(
            "--format", choices=FORMATS, help="Without: by the name's end; CSV to stdout."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["file"]
        format_ = options["format"] or _format_of(name)
        try:
            totals.require_tables()
            with closing(export(format_)) as blocks:
                if name == "-":
                    _write_to_stdout(blocks)
                else:
                    _write_file(Path(os.path.realpath(name)), blocks)
        except Error as error:
            raise CommandError(told(error, totals.connection())) from error
        except (OSError, NoTotal) as error:
            raise CommandError(f"{error}. Nothing was exported.") from error
        self.stderr.write(f"Exported the totals in {totals.place()}.")


def _format_of(name: str) -> str:
    if name == "-":
        return "csv"
    suffix = Path(name).suffix.lower().removeprefix(".")
    if suffix not in FORMATS:
        raise CommandError(
            f"The name {name!r} does not end in .{' or .'.join(FORMATS)}: say --format."
        )
    return suffix


def _write_to_stdout(blocks: Iterable[bytes]) -> None:
    try:
        for block in blocks:
            sys.stdout.buffer.write(block)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads has had enough. What Python still holds for it must not be tried again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _write_file(path: Path, blocks: Iterable[bytes]) -> None:
    """Write a file that is there when it is whole. What is no file (a pipe) is written to."""
    if path.exists() and not path.is_file():
        with path.open("wb") as target:
            target.writelines(blocks)
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    try:
        with draft.open("xb") as target:
            target.writelines(blocks)
            target.flush()
            os.fsync(target.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
